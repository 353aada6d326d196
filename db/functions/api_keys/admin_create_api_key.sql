-- Creates an API key for an admin, as create_api_key does. A form that is sent twice creates one key, and both calls
-- return it.
--
-- Locks:  nothing but the name: another call that creates a key of that name waits.
-- Raises: WA014 invalid_name    WA020 not_signed_in        WA023 api_key_already_exists
--         WA025 invalid_scope   WA026 invalid_rate_limit
create or replace function wallet.admin_create_api_key(
    p_session text,
    p_address inet,
    p_name text,
    p_scope text,
    p_key_hash bytea,
    p_rate_limit integer default null
)
returns wallet.api_key_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_is_new constant boolean := not exists (select from api_keys as k where k.key_hash = p_key_hash);
    v_key constant api_key_details := _add_api_key(p_name, p_scope, p_key_hash, p_rate_limit);
begin
    if v_is_new then
        perform _record_audit(v_admin, p_address, 'create_api_key', p_detail => _api_key_detail(v_key));
    end if;
    return v_key;
end;
$$;

comment on function wallet.admin_create_api_key(text, inet, text, text, bytea, integer) is
'Creates an API key for an admin; raises WA020 and what create_api_key raises.';

grant execute on function wallet.admin_create_api_key(text, inet, text, text, bytea, integer) to wallet_app;

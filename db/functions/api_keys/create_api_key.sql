-- Creates an API key from the sha256 of what the caller will send; the database never sees the key itself. No two live
-- keys share a name. p_rate_limit is in requests per second, null for no limit. In psql:
-- select wallet.create_api_key('shop', 'operate', sha256('what the shop will send'))
--
-- Locks:  nothing but the name: another call that creates a key of that name waits.
-- Raises: WA014 invalid_name    WA023 api_key_already_exists
--         WA025 invalid_scope   WA026 invalid_rate_limit
create or replace function wallet.create_api_key(
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
    v_key constant api_key_details := _add_api_key(p_name, p_scope, p_key_hash, p_rate_limit);
begin
    perform _record_audit(session_user, null, 'create_api_key', p_detail => _api_key_detail(v_key));
    return v_key;
end;
$$;

comment on function wallet.create_api_key(text, text, bytea, integer) is
'Creates an API key from its sha256; raises WA014, WA023, WA025 or WA026.';

grant execute on function wallet.create_api_key(text, text, bytea, integer) to wallet_app;

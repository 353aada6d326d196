-- Revokes an API key for an admin. One that was revoked before is returned unchanged.
--
-- Locks:  the API key's row, until the transaction ends.
-- Raises: WA020 not_signed_in   WA024 api_key_not_found
create or replace function wallet.admin_revoke_api_key(p_session text, p_address inet, p_id uuid)
returns wallet.api_key_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_key api_key_details := _revoke_api_key(p_id);
begin
    if v_key.id is not null then
        perform _record_audit(v_admin, p_address, 'revoke_api_key', p_detail => _api_key_detail(v_key));
        return v_key;
    end if;
    select * into v_key from api_key_details as d where d.id = p_id;
    if not found then
        raise exception 'API key not found: %', coalesce(p_id::text, 'null') using errcode = 'WA024';
    end if;
    return v_key;
end;
$$;

comment on function wallet.admin_revoke_api_key(text, inet, uuid) is
'Revokes an API key for an admin; raises WA020 or WA024.';

grant execute on function wallet.admin_revoke_api_key(text, inet, uuid) to wallet_app;

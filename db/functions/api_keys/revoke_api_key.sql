-- Revokes the live API key of a name. Services cache keys, and reject this one within 5 seconds.
--
-- Locks:  the API key's row, until the transaction ends.
-- Raises: WA024 api_key_not_found
create or replace function wallet.revoke_api_key(p_name text)
returns wallet.api_key_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_key constant api_key_details := _revoke_api_key(
        (select k.id from api_keys as k where k.name = p_name and k.revoked_at is null)
    );
begin
    if v_key.id is null then
        raise exception 'API key not found: %', coalesce(p_name, 'null') using errcode = 'WA024';
    end if;
    perform _record_audit(session_user, null, 'revoke_api_key', p_detail => _api_key_detail(v_key));
    return v_key;
end;
$$;

comment on function wallet.revoke_api_key(text) is 'Revokes the live API key of a name; raises WA024.';

grant execute on function wallet.revoke_api_key(text) to wallet_app;

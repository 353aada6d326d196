-- Revokes a live API key, for revoke_api_key and admin_revoke_api_key; null when not found.
create or replace function wallet._revoke_api_key(p_id uuid)
returns wallet.api_key_details
language plpgsql
as $$
declare
    v_key api_key_details;
begin
    update api_keys as k set revoked_at = clock_timestamp() where k.id = p_id and k.revoked_at is null;
    if found then
        select * into v_key from api_key_details as d where d.id = p_id;
    end if;
    return v_key;
end;
$$;

comment on function wallet._revoke_api_key(uuid) is 'Revokes a live API key; null when not found.';

-- API keys: live before revoked, and the newest first within each.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_api_keys(p_limit integer)
returns setof wallet.api_key_details
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
as $$
begin
    perform _check_limit(p_limit);
    return query
        select d.*
        from api_key_details as d
        order by d.revoked_at is not null, d.created_at desc, d.id
        limit p_limit;
end;
$$;

comment on function wallet.list_api_keys(integer) is 'API keys, live before revoked; raises WA015.';

grant execute on function wallet.list_api_keys(integer) to wallet_app, wallet_reader;

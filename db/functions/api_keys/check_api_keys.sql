-- The API keys of these sha256 hashes: a row per item, in the order of the items, nulls where the key is not found or
-- was revoked. Records when each was last used.
--
-- Locks:  the API keys' rows, at most once a minute, and never waits for one.
-- Raises: nothing.
create or replace function wallet.check_api_keys(p_key_hashes bytea[])
returns table (id uuid, name text, scope text, rate_limit integer)
language plpgsql
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
#variable_conflict use_column
begin
    -- Not on every request: each version of the row is work for vacuum.
    update api_keys as k
    set last_used_at = statement_timestamp()
    from (
        select s.id
        from api_keys as s
        where s.key_hash = any(p_key_hashes)
            and s.revoked_at is null
            and (s.last_used_at is null or s.last_used_at <= statement_timestamp() - interval '1 minute')
        for no key update skip locked
    ) as u
    where k.id = u.id;
    return query
        select k.id, k.name, k.scope, k.rate_limit
        from unnest(p_key_hashes) with ordinality as i (key_hash, index)
        left join api_keys as k on i.key_hash = k.key_hash and k.revoked_at is null
        order by i.index;
end;
$$;

comment on function wallet.check_api_keys(bytea[]) is
'The API keys of these sha256 hashes, a row per item in order; nulls where not found or revoked.';

grant execute on function wallet.check_api_keys(bytea[]) to wallet_app;

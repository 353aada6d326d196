-- Whose API keys these are, from the sha256 of each: a row per item, in the order of the items, and nulls where there
-- is no such key or it was revoked. Notes that they are in use.
--
-- Locks:  the rows of the keys, at most once a minute, and never waits for one.
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
    -- Not at every request: each version of the row is work for vacuum.
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
        from unnest(p_key_hashes) with ordinality as i (key_hash, place)
        left join api_keys as k on i.key_hash = k.key_hash and k.revoked_at is null
        order by i.place;
end;
$$;

comment on function wallet.check_api_keys(bytea[]) is
'Whose API keys these are, by the sha256 of each; nulls where there is no such live key.';

grant execute on function wallet.check_api_keys(bytea[]) to wallet_app;

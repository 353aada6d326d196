-- The wallets whose last verification found something, the most recently verified first.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_broken_wallets(p_limit integer)
returns table (
    wallet_id uuid,
    name text,
    currency text,
    decimals smallint,
    verified_at timestamptz,
    findings jsonb
)
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
as $$
#variable_conflict use_column
begin
    perform _check_limit(p_limit);
    return query
        select v.wallet_id, w.name, w.currency, c.decimals, v.verified_at, v.findings
        from verifications as v
        join wallets as w on v.wallet_id = w.id
        join currencies as c on w.currency = c.code
        where v.findings <> '[]'
        order by v.verified_at desc, v.wallet_id desc
        limit p_limit;
end;
$$;

comment on function wallet.list_broken_wallets(integer) is
'The wallets whose last verification found something, and what; raises WA015.';

grant execute on function wallet.list_broken_wallets(integer) to wallet_app, wallet_reader;

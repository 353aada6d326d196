-- The balances of many wallets in minor units, as of one moment: a row per item, in order; position is its index from
-- 1. The balance is null where the wallet is not found.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.get_balances(p_wallet_ids uuid[])
returns table ("position" integer, wallet_id uuid, balance bigint)
language sql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
as $$
    select i.index::integer, i.wallet_id, w.balance
    from unnest(p_wallet_ids) with ordinality as i (wallet_id, index)
    left join wallets as w on i.wallet_id = w.id
    order by i.index
$$;

comment on function wallet.get_balances(uuid[]) is
'The balances of many wallets in minor units, a row per item in order; null where not found.';

grant execute on function wallet.get_balances(uuid[]) to wallet_app, wallet_reader;

-- The number of wallets of each currency and the sum of their balances. Reads every wallet.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.get_totals()
returns setof wallet.currency_totals
language sql
stable parallel safe
security definer
set search_path = wallet, pg_temp
as $$
    select * from currency_totals as t order by t.currency
$$;

comment on function wallet.get_totals() is
'The number of wallets of each currency and the sum of their balances. Reads every wallet.';

grant execute on function wallet.get_totals() to wallet_app, wallet_reader;

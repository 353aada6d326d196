-- The currencies that a wallet may have.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.list_currencies()
returns table (code text, decimals smallint)
language sql
stable parallel safe
security definer
set search_path = wallet, pg_temp
as $$
    select c.code, c.decimals from currencies as c order by c.code
$$;

comment on function wallet.list_currencies() is 'The currencies that a wallet may have, each with its decimals.';

grant execute on function wallet.list_currencies() to wallet_app, wallet_reader;

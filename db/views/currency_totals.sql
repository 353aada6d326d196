create or replace view wallet.currency_totals as
select
    w.currency,
    c.decimals,
    count(*) as wallets,
    sum(w.balance) as balance
from wallet.wallets as w
inner join wallet.currencies as c on w.currency = c.code
group by w.currency, c.decimals;

comment on view wallet.currency_totals is 'How much money all wallets of a currency hold, in minor units.';

grant select on wallet.currency_totals to wallet_reader;

-- migrate:up

set local role wallet_owner;

-- What a wallet and an operation are to the outside. The functions return rows of these views, so that a table can
-- gain a column without changing what callers get.

create view wallet.wallet_details as
select
    w.id,
    w.name,
    w.currency,
    w.status,
    w.balance,
    w.last_seq,
    w.created_at,
    w.updated_at
from wallet.wallets as w;

comment on view wallet.wallet_details is 'Wallets; balance in minor units.';

create view wallet.operation_details as
select
    o.id as operation_id,
    o.wallet_id,
    o.seq,
    o.operation_type,
    o.amount,
    o.balance_after,
    o.idempotency_key,
    o.created_at
from wallet.operations as o;

comment on view wallet.operation_details is 'The ledger; amounts and balances in minor units.';

create view wallet.currency_totals as
select
    w.currency,
    c.decimals,
    count(*) as wallets,
    sum(w.balance) as balance
from wallet.wallets as w
inner join wallet.currencies as c on w.currency = c.code
group by w.currency, c.decimals;

comment on view wallet.currency_totals is 'How much money all wallets of a currency hold, in minor units.';

grant select on wallet.wallet_details, wallet.operation_details, wallet.currency_totals to wallet_reader;

reset role;

-- migrate:down

drop view wallet.currency_totals cascade;
drop view wallet.operation_details cascade;
drop view wallet.wallet_details cascade;

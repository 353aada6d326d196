-- The rows of list_latest_operations.
create or replace view wallet.latest_operations as
select
    o.operation_id,
    o.wallet_id,
    o.seq,
    o.operation_type,
    o.amount,
    o.balance_after,
    o.idempotency_key,
    o.created_at,
    w.name,
    w.currency,
    c.decimals,
    o.balance_change
from wallet.operation_details as o
inner join wallet.wallets as w on o.wallet_id = w.id
inner join wallet.currencies as c on w.currency = c.code;

comment on view wallet.latest_operations is 'Operations, each with its wallet''s name and currency.';

-- The rows of list_latest_rejections.
create or replace view wallet.latest_rejections as
select
    r.operation_id,
    r.wallet_id,
    r.operation_type,
    r.amount,
    r.balance,
    r.error_code,
    r.detail,
    r.idempotency_key,
    r.created_at,
    w.name,
    w.currency,
    c.decimals
from wallet.rejection_details as r
inner join wallet.wallets as w on r.wallet_id = w.id
inner join wallet.currencies as c on w.currency = c.code;

comment on view wallet.latest_rejections is 'Remembered rejections, each with its wallet''s name and currency.';

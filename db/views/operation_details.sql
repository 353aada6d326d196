create or replace view wallet.operation_details as
select
    o.id as operation_id,
    o.wallet_id,
    o.seq,
    o.operation_type,
    o.amount,
    o.balance_after,
    o.idempotency_key,
    o.created_at,
    wallet._operation_sign(o.operation_type) * o.amount as balance_change
from wallet.operations as o;

comment on view wallet.operation_details is
'The ledger; amounts in minor units. balance_change is the amount, negative for a withdrawal.';

grant select on wallet.operation_details to wallet_reader;

create or replace view wallet.rejection_details as
select
    r.id as operation_id,
    r.wallet_id,
    r.operation_type,
    r.amount,
    r.balance,
    r.error_code,
    r.detail,
    r.idempotency_key,
    r.created_at
from wallet.rejections as r;

comment on view wallet.rejection_details is 'Remembered rejections; amounts in minor units.';

grant select on wallet.rejection_details to wallet_reader;

-- migrate:up

set local role wallet_owner;

create table wallet.rejections (
    wallet_id uuid not null,
    id uuid not null,
    amount bigint not null,
    balance bigint not null,
    created_at timestamptz not null,
    operation_type text not null,
    idempotency_key text not null,
    error_code text not null,
    detail text not null,
    constraint rejections_pkey primary key (wallet_id, id),
    constraint rejections_amount_positive check (amount > 0),
    constraint rejections_balance_not_negative check (balance >= 0),
    constraint rejections_type_known check (operation_type in ('DEPOSIT', 'WITHDRAW')),
    constraint rejections_error_code_known check (error_code in ('WA002', 'WA005', 'WA006')),
    constraint rejections_key_length check (octet_length(idempotency_key) between 1 and 255)
);

comment on table wallet.rejections is
'Operations that a money rule refused, remembered so that a retry gets the same answer. Append-only.';
comment on column wallet.rejections.id is 'Made of wallet_id and idempotency_key: see wallet._operation_id.';
comment on column wallet.rejections.balance is 'The wallet''s balance at that moment, minor units.';
comment on column wallet.rejections.error_code is 'The SQLSTATE: WA002, WA005 or WA006.';
comment on column wallet.rejections.detail is 'The answer''s text.';

create trigger rejections_are_append_only
before update or delete or truncate on wallet.rejections
for each statement execute function wallet._refuse_rewrite();

create view wallet.rejection_details as
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

comment on view wallet.rejection_details is 'Remembered refusals; amounts and balances in minor units.';

grant select on wallet.rejection_details to wallet_reader;

reset role;

-- migrate:down

drop view wallet.rejection_details cascade;
drop table wallet.rejections;

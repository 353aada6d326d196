-- migrate:up

set local role wallet_owner;

create table wallet.operations (
    wallet_id uuid not null,
    seq bigint not null,
    id uuid not null,
    amount bigint not null,
    balance_after bigint not null,
    created_at timestamptz not null,
    operation_type text not null,
    idempotency_key text not null,
    constraint operations_pkey primary key (wallet_id, seq),
    constraint operations_id_unique unique (wallet_id, id),
    constraint operations_seq_positive check (seq > 0),
    constraint operations_amount_positive check (amount > 0),
    constraint operations_balance_after_not_negative check (balance_after >= 0),
    constraint operations_type_known check (operation_type in ('DEPOSIT', 'WITHDRAW')),
    constraint operations_key_length check (octet_length(idempotency_key) between 1 and 255)
);

comment on table wallet.operations is 'The ledger: every applied operation, append-only.';
comment on column wallet.operations.seq is 'Place in the wallet''s history, gapless from 1.';
comment on column wallet.operations.id is 'Made of wallet_id and idempotency_key: see wallet._operation_id.';
comment on column wallet.operations.amount is 'Minor units of the wallet''s currency.';
comment on column wallet.operations.balance_after is 'The wallet''s balance once this was applied, minor units.';
comment on column wallet.operations.created_at is
'Read from the clock after the wallet was locked: never before that of the previous seq.';

create trigger operations_are_append_only
before update or delete or truncate on wallet.operations
for each statement execute function wallet._refuse_rewrite();

reset role;

-- migrate:down

drop table wallet.operations;

-- migrate:up

set local role wallet_owner;

create table wallet.verification_runs (
    id bigint generated always as identity,
    started_at timestamptz not null default clock_timestamp(),
    continued_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    last_wallet_id uuid,
    wallets bigint not null default 0,
    operations bigint not null default 0,
    broken bigint not null default 0,
    constraint verification_runs_pkey primary key (id)
);

comment on table wallet.verification_runs is
'Verifications of the whole ledger, each wallet by wallet in the order of their ids; how far each has come.';
comment on column wallet.verification_runs.last_wallet_id is 'All wallets up to this one are done.';

reset role;

-- migrate:down

drop table wallet.verification_runs cascade;

-- migrate:up

set local role wallet_owner;

create table wallet.deployments (
    deployed_at timestamptz not null default clock_timestamp(),
    deployed_by text not null default session_user,
    source_digest text not null,
    functions_digest text not null,
    constraint deployments_pkey primary key (deployed_at)
);

comment on table wallet.deployments is 'Each replay of db/functions: when, by whom, and of what.';
comment on column wallet.deployments.source_digest is 'sha256 over the files of db/migrations and db/functions.';
comment on column wallet.deployments.functions_digest is 'wallet._functions_digest() right after the replay.';

reset role;

-- migrate:down

drop table wallet.deployments;

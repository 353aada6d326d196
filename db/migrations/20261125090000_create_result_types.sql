-- migrate:up

set local search_path = pg_catalog;

set local role wallet_owner;

create type wallet.operation_result as (
    "position" integer,
    operation_id uuid,
    status text,
    operation_type text,
    amount bigint,
    new_balance bigint,
    seq bigint,
    replayed boolean,
    created_at timestamptz,
    error_code text,
    detail text
);

comment on type wallet.operation_result is 'What became of one item of apply_operations.';

create type wallet.finding as (invariant text, seq bigint, expected text, found text);

comment on type wallet.finding is 'An invariant of a wallet and its operations that does not hold: see verify_wallet.';

reset role;

-- migrate:down

set local search_path = pg_catalog;

-- Views that a replay made of tables which older migrations drop without them.
drop view if exists wallet.audit_details, wallet.latest_operations, wallet.latest_rejections cascade;

drop type wallet.finding cascade;
drop type wallet.operation_result cascade;

-- migrate:up

set local role wallet_owner;

create table wallet.audit (
    id bigint generated always as identity,
    at timestamptz not null default clock_timestamp(),
    wallet_id uuid,
    address inet,
    admin text not null,
    action text not null,
    outcome text not null,
    detail jsonb not null default '{}',
    constraint audit_pkey primary key (id),
    constraint audit_action_form check (action ~ '^[a-z_]+$'),
    constraint audit_outcome_known check (outcome in ('done', 'refused') or outcome ~ '^[0-9A-Z]{5}$'),
    constraint audit_detail_is_object check (jsonb_typeof(detail) = 'object')
);

comment on table wallet.audit is
'What admins did, each written in the transaction of the action itself. Append-only.';
comment on column wallet.audit.wallet_id is 'What was acted on, if a wallet; there need not be one of this id.';
comment on column wallet.audit.admin is 'The username, as it was then; of a refused log-in what was typed.';
comment on column wallet.audit.outcome is
'done, refused (a log-in), or the SQLSTATE by which an operation was refused.';

create index audit_wallet_id_idx on wallet.audit (wallet_id, id);

create trigger audit_is_append_only
before update or delete or truncate on wallet.audit
for each statement execute function wallet._refuse_rewrite();

reset role;

-- migrate:down

drop table wallet.audit;

-- migrate:up

set local role wallet_owner;

create table wallet.api_keys (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default clock_timestamp(),
    last_used_at timestamptz,
    revoked_at timestamptz,
    rate_limit integer,
    name text not null,
    scope text not null,
    key_hash bytea not null,
    constraint api_keys_pkey primary key (id),
    constraint api_keys_key_hash_unique unique (key_hash),
    constraint api_keys_key_hash_length check (octet_length(key_hash) = 32),
    constraint api_keys_scope_known check (scope in ('read', 'operate', 'manage')),
    constraint api_keys_rate_limit_positive check (rate_limit > 0)
);

comment on table wallet.api_keys is 'Who may call the REST API, and for what. Revoked keys stay, as a record.';
comment on column wallet.api_keys.key_hash is 'sha256 of the key: to read it is not to hold it.';
comment on column wallet.api_keys.scope is
'read; operate: also deposit and withdraw; manage: also make wallets.';
comment on column wallet.api_keys.rate_limit is 'Requests a second, null for no limit.';
comment on column wallet.api_keys.last_used_at is 'To the minute.';

-- A name that is free again can be given to the key that replaces the revoked one.
create unique index api_keys_live_name_idx on wallet.api_keys (name) where revoked_at is null;

create view wallet.api_key_details as
select
    k.id,
    k.name,
    k.scope,
    k.rate_limit,
    k.created_at,
    k.last_used_at,
    k.revoked_at
from wallet.api_keys as k;

comment on view wallet.api_key_details is 'Who may call the REST API, without what proves it.';

reset role;

-- migrate:down

drop view wallet.api_key_details cascade;
drop table wallet.api_keys;

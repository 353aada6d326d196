-- migrate:up

set local role wallet_owner;

create table wallet.admins (
    id uuid not null default gen_random_uuid(),
    created_at timestamptz not null default clock_timestamp(),
    password_changed_at timestamptz not null default clock_timestamp(),
    username text not null,
    password_hash text not null,
    constraint admins_pkey primary key (id),
    constraint admins_username_length check (char_length(username) between 1 and 150),
    constraint admins_password_hash_not_empty check (password_hash <> '')
);

comment on table wallet.admins is 'Who may act in the admin page.';
comment on column wallet.admins.password_hash is 'Made by the service: the database never sees a password.';

-- Alice and alice are one person.
create unique index admins_username_idx on wallet.admins (lower(username));

create table wallet.admin_sessions (
    token_hash bytea not null,
    admin_id uuid not null,
    created_at timestamptz not null default clock_timestamp(),
    last_seen_at timestamptz not null default clock_timestamp(),
    address inet,
    constraint admin_sessions_pkey primary key (token_hash),
    constraint admin_sessions_token_hash_length check (octet_length(token_hash) = 32),
    constraint admin_sessions_admin_known foreign key (admin_id) references wallet.admins (id)
);

comment on table wallet.admin_sessions is 'Who is signed in. A session that is revoked is deleted.';
comment on column wallet.admin_sessions.token_hash is 'sha256 of the token: to read it is not to hold it.';

create index admin_sessions_admin_id_idx on wallet.admin_sessions (admin_id);

create table wallet.login_attempts (
    id bigint generated always as identity,
    attempted_at timestamptz not null default clock_timestamp(),
    username text not null,
    address inet,
    constraint login_attempts_pkey primary key (id),
    constraint login_attempts_username_length check (char_length(username) <= 150)
);

comment on table wallet.login_attempts is 'Attempts of the last 15 minutes that did not end in a session.';
comment on column wallet.login_attempts.username is 'In lower case, and there need not be such an admin.';

create index login_attempts_username_idx on wallet.login_attempts (username, attempted_at);
create index login_attempts_address_idx on wallet.login_attempts (address, attempted_at);
create index login_attempts_attempted_at_idx on wallet.login_attempts (attempted_at);

create view wallet.admin_details as
select
    a.id,
    a.username,
    a.created_at,
    a.password_changed_at
from wallet.admins as a;

comment on view wallet.admin_details is 'Who may act in the admin page.';

reset role;

-- migrate:down

drop view wallet.admin_details cascade;
drop table wallet.login_attempts;
drop table wallet.admin_sessions;
drop table wallet.admins;

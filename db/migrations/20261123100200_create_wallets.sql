-- migrate:up

set local role wallet_owner;

-- The one function that a migration makes: triggers need it when they are created, and it is never replaced.
create function wallet._refuse_rewrite() returns trigger
language plpgsql
set search_path = wallet, pg_temp
as $$
begin
    raise exception '% of wallet.% is refused: it is append-only', lower(tg_op), tg_table_name
        using errcode = 'restrict_violation',
            hint = 'Correct a mistake with a further operation.';
end;
$$;
comment on function wallet._refuse_rewrite() is 'Trigger: makes a table append-only, for its owner too.';

create table wallet.wallets (
    id uuid not null,
    balance bigint not null default 0,
    held bigint not null default 0,
    last_seq bigint not null default 0,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    currency text not null,
    status text not null default 'ACTIVE',
    name text,
    constraint wallets_pkey primary key (id),
    constraint wallets_balance_not_negative check (balance >= 0),
    constraint wallets_held_within_balance check (held between 0 and balance),
    constraint wallets_last_seq_not_negative check (last_seq >= 0),
    constraint wallets_status_known check (status in ('ACTIVE', 'FROZEN', 'CLOSED')),
    constraint wallets_closed_is_empty check (status <> 'CLOSED' or balance = 0),
    constraint wallets_name_length check (char_length(name) between 1 and 200),
    constraint wallets_updated_after_created check (updated_at >= created_at),
    constraint wallets_currency_known foreign key (currency) references wallet.currencies (code)
)
-- Every operation writes a new version of its wallet's row: with room on the page, and no index on a column that
-- changes, that version needs no new index entry (heap-only tuple).
with (fillfactor = 70);

comment on table wallet.wallets is 'A wallet: one balance in one currency.';
comment on column wallet.wallets.balance is 'Minor units of the currency.';
comment on column wallet.wallets.held is 'Minor units of the balance that are reserved and cannot be withdrawn.';
comment on column wallet.wallets.last_seq is 'seq of the newest operation, 0 before the first.';
comment on column wallet.wallets.updated_at is 'When the balance, the status or the name last changed.';

-- Newest first, for list_wallets.
create unique index wallets_created_at_id_idx on wallet.wallets (created_at, id);

create trigger wallets_are_kept
before delete or truncate on wallet.wallets
for each statement execute function wallet._refuse_rewrite();

create trigger wallets_keep_their_identity
before update of id, currency, created_at on wallet.wallets
for each statement execute function wallet._refuse_rewrite();

reset role;

-- migrate:down

drop table wallet.wallets;
drop function wallet._refuse_rewrite() cascade;

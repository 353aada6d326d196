-- migrate:up

-- Columns that no operation changes, all of them: an operation's new version of the row still needs no index entry.

-- As the migrating user: this index becomes the owner's like its table, whatever rights the owner has where pg_trgm is.
-- Only the index needs the extension's schema; a search is by plain "like".
do $$
begin
    create extension if not exists pg_trgm with schema public;
    execute format(
        -- A pending list would be read by every search.
        'create index wallets_name_trgm_idx on wallet.wallets using gin (lower(name) %s.gin_trgm_ops)'
        ' with (fastupdate = off)',
        (select e.extnamespace::regnamespace from pg_catalog.pg_extension as e where e.extname = 'pg_trgm')
    );
end;
$$;

set local role wallet_owner;

-- Both orders, for everything and for the filters. Nearly all wallets are active: to look for others is to look for
-- few. With the name itself the index alone tells whether a wallet is one of those that are looked for.
create index wallets_name_id_idx on wallet.wallets (lower(name) collate "C", id) include (name);
create index wallets_currency_created_at_idx on wallet.wallets (currency, created_at, id);
create index wallets_currency_name_idx on wallet.wallets (currency, lower(name) collate "C", id) include (name);
create index wallets_status_created_at_idx on wallet.wallets (status, created_at, id) where status <> 'ACTIVE';
create index wallets_status_name_idx on wallet.wallets (status, lower(name) collate "C", id) where status <> 'ACTIVE';

reset role;

-- migrate:down

-- The extension stays: it may have been there before, and others may use it by now.
drop index wallet.wallets_status_name_idx;
drop index wallet.wallets_status_created_at_idx;
drop index wallet.wallets_currency_name_idx;
drop index wallet.wallets_currency_created_at_idx;
drop index wallet.wallets_name_id_idx;
drop index wallet.wallets_name_trgm_idx;

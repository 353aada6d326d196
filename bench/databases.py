"""The databases that are measured: a small one, and one with a million wallets and ten million operations."""

from pathlib import Path

import asyncpg

# As many wallets, operations each, with the ids, sequence numbers and balances that the functions would have created.
_LOAD = """
insert into wallet.wallets (id, balance, last_seq, created_at, updated_at, currency)
select gen_random_uuid(), 100 * $2, $2, now(), now(), 'RUB' from generate_series(1, $1)
"""
_LOAD_OPERATIONS = """
insert into wallet.operations (wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key)
select w.id, s.seq, wallet._operation_id(w.id, k.key), 100, 100 * s.seq, w.created_at, 'DEPOSIT', k.key
from (select id, last_seq, created_at from wallet.wallets order by id) as w
cross join lateral generate_series(1, w.last_seq) as s (seq)
cross join lateral (select left(encode(sha256(uuid_send(w.id) || int8send(s.seq)), 'base64'), 22)) as k (key)
"""

# The least that an operation can cost: the same update and insert, with the same columns, constraints, indexes and
# triggers, and no rules.
_BARE_TABLES = """
create schema if not exists bare;
create table bare.wallets (like wallet.wallets including all);
create table bare.operations (like wallet.operations including all);
alter table bare.wallets add foreign key (currency) references wallet.currencies;
create trigger kept before delete or truncate on bare.wallets
for each statement execute function wallet._refuse_rewrite();
create trigger identity before update of id, currency, created_at on bare.wallets
for each statement execute function wallet._refuse_rewrite();
create trigger append_only before update or delete or truncate on bare.operations
for each statement execute function wallet._refuse_rewrite();
insert into bare.wallets select * from wallet.wallets;
"""
BARE_SCRIPT = """
\\set n random(1, {wallets})
with updated as (
    update bare.wallets
    set balance = balance + 100, last_seq = last_seq + 1, updated_at = clock_timestamp()
    where id = (select id from bench.wallets where n = :n)
    returning id, balance, last_seq, updated_at
)
insert into bare.operations (
    wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key
)
select id, last_seq, gen_random_uuid(), 100, balance, updated_at, 'DEPOSIT', gen_random_uuid()::text
from updated
returning id, amount, balance_after, seq, created_at;
"""
APPLY_SCRIPT = """
\\set n random(1, {wallets})
select * from wallet.apply_operation((select id from bench.wallets where n = :n), 'DEPOSIT', 100);
"""
_NUMBERED = """
create schema if not exists bench;
create table bench.wallets (n integer primary key, id uuid not null);
insert into bench.wallets select row_number() over (), id from wallet.wallets;
grant usage on schema bench to wallet_app;
grant select on bench.wallets to wallet_app;
"""


async def load(connection: asyncpg.Connection, wallets: int, operations_each: int, deep: int = 0) -> None:
    """Fills a migrated database; with `deep`, one wallet more has that many operations."""
    await connection.execute("set role wallet_owner")
    await connection.execute(_LOAD, wallets, operations_each)
    if deep:
        await connection.execute(_LOAD, 1, deep)
    await connection.execute(_LOAD_OPERATIONS)
    await connection.execute("reset role")
    await connection.execute(_NUMBERED)
    await connection.execute("vacuum (analyze) wallet.wallets")
    await connection.execute("vacuum (analyze) wallet.operations")
    await connection.execute("checkpoint")


async def create_bare_tables(connection: asyncpg.Connection) -> None:
    """Creates the tables of the bare statement."""
    await connection.execute(_BARE_TABLES)
    await connection.execute("vacuum (analyze) bare.wallets")


async def write_ids(connection: asyncpg.Connection, path: Path, limit: int) -> None:
    """Writes wallet ids to a file, for wrk."""
    rows = await connection.fetch("select id from bench.wallets order by n limit $1", limit)
    path.write_text("".join(f"{row['id']}\n" for row in rows))


async def bytes_per_operation(connection: asyncpg.Connection) -> float:
    """The size of the ledger on disk, indexes included, per operation."""
    size: float = await connection.fetchval(
        "select pg_total_relation_size('wallet.operations')::float / count(*) from wallet.operations"
    )
    return size

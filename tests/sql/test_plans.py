"""A session keeps the plans that it created while the tables were small: they must stay good."""

from uuid import UUID

import pytest
from ledger import Database

_WALLETS = 3_000
_OPERATIONS = 3_000
_CALLS = 10
# Far above what any of the calls needs, far below the number of rows.
_MAX_ROWS_READ = 60

_STATEMENTS = {
    "apply_operation": "select wallet.apply_operation($1, 'DEPOSIT', 1)",
    "apply_operation with a key": "select wallet.apply_operation($1, 'DEPOSIT', 1, gen_random_uuid()::text)",
    "apply_operations, one": """
        select wallet.apply_operations(array[$1::uuid], array['DEPOSIT'], array[1], array[gen_random_uuid()::text])
    """,
    "apply_operations, some": """
        select wallet.apply_operations(
            array_agg($1::uuid), array_agg('DEPOSIT'::text), array_agg(1::bigint), array_agg(gen_random_uuid()::text)
        ) from generate_series(1, 3)
    """,
    "get_balance": "select wallet.get_balance($1)",
    "get_balances": "select wallet.get_balances(array[$1::uuid, $1])",
    "get_wallet": "select wallet.get_wallet($1)",
    "get_operation": "select wallet.get_operation($1, (wallet.list_operations($1, 1)).operation_id)",
    "list_operations": "select wallet.list_operations($1, 5, 2)",
    "get_balance_history": "select wallet.get_balance_history($1, 5)",
    "list_operations_between": "select wallet.list_operations_between($1, '2020-01-01', 'infinity', null, 5)",
    "list_rejections": "select wallet.list_rejections($1, 5)",
    "list_audit": "select wallet.list_audit(5, null, false, $1)",
    "set_wallet_status": "select wallet.set_wallet_status($1, 'ACTIVE')",
    "verify_next": """
        select wallet.verify_next(run_id, 1, 1) from wallet.begin_verification() where $1::uuid is not null
    """,
    "check_api_keys": "select wallet.check_api_keys(array[sha256(uuid_send($1))])",
    "list_wallets": "select wallet.list_wallets(5) where $1::uuid is not null",
}


@pytest.mark.parametrize("wallets", [1, 2, 60, 500])
async def test_plans_stay_good_while_tables_grow(own: Database, wallets: int) -> None:
    wallet_id = await own.wallet()
    await _add_wallets(own, wallets - 1)
    await own.tamperer.execute("vacuum (analyze)")
    await _rows_read(own, wallet_id)

    await _add_wallets(own, _WALLETS)
    await own.app.execute(
        """
        select wallet.apply_operations(
            array_agg($1::uuid), array_agg('DEPOSIT'::text), array_agg(1::bigint), array_agg(gen_random_uuid()::text)
        ) from generate_series(1, $2::integer)
        """,
        *(wallet_id, _OPERATIONS),
    )
    read = await _rows_read(own, wallet_id)

    assert {name: rows for name, rows in read.items() if rows > _MAX_ROWS_READ} == {}


async def _add_wallets(database: Database, count: int) -> None:
    await database.owner.execute(
        """
        insert into wallet.wallets (id, currency, created_at, updated_at)
        select gen_random_uuid(), 'RUB', clock_timestamp(), clock_timestamp() from generate_series(1, $1)
        """,
        count,
    )


async def _rows_read(database: Database, wallet_id: UUID) -> dict[str, float]:
    """How many rows and index entries a call of each statement reads, on average."""
    read = {}
    for name, text in _STATEMENTS.items():
        before = await _rows_read_so_far(database)
        for _ in range(_CALLS):
            await database.app.fetch(text, wallet_id)
        read[name] = (await _rows_read_so_far(database) - before) / _CALLS
    return read


async def _rows_read_so_far(database: Database) -> int:
    # What was read is reported at the end of the next statement, and seen by another session.
    await database.app.execute("select pg_stat_force_next_flush()")
    await database.app.execute("select")
    read: int = await database.tamperer.fetchval(
        """
        select
            (select sum(t.seq_tup_read) from pg_stat_user_tables as t where t.schemaname = 'wallet')
            + (select sum(i.idx_tup_read) from pg_stat_user_indexes as i where i.schemaname = 'wallet')
        """
    )
    return read

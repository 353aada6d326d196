"""The words and limits that Python repeats are those of the database."""

import re
from collections.abc import Iterable
from uuid import UUID, uuid4

import asyncpg
import pytest

from service import vocabulary


async def words_of(connection: asyncpg.Connection, constraint: str) -> set[str]:
    """What a check of a column against a list allows."""
    query = "select pg_get_constraintdef(oid) from pg_constraint where conname = $1"
    return set(re.findall(r"'(\w+)'", await connection.fetchval(query, constraint)))


async def accepted(connection: asyncpg.Connection, call: str, values: Iterable[object]) -> list[bool]:
    """For each value, whether a call with it neither raises an SQLSTATE of ours nor returns one, or false."""
    results = []
    for value in values:
        transaction = connection.transaction()
        await transaction.start()
        try:
            result = await connection.fetchval(f"select {call}", value)
        except asyncpg.PostgresError as exc:
            if not (result := exc.sqlstate or "").startswith("WA"):
                raise
        finally:
            await transaction.rollback()
        results.append(result is not False and not (isinstance(result, str) and result.startswith("WA")))
    return results


async def test_types_and_statuses(owner_connection: asyncpg.Connection) -> None:
    for constraint, words in {
        "operations_type_known": vocabulary.OPERATION_TYPES,
        "rejections_type_known": vocabulary.OPERATION_TYPES,
        "wallets_status_known": vocabulary.WALLET_STATUSES,
    }.items():
        assert await words_of(owner_connection, constraint) == set(words)
    wallet_id = await owner_connection.fetchval("select id from wallet.create_wallet()")
    await owner_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 1)", wallet_id)
    apply, types = f"wallet.apply_operation('{wallet_id}', $1, 1)", (*vocabulary.OPERATION_TYPES, "TRANSFER", None)
    assert await accepted(owner_connection, apply, types) == [True, True, False, False]


async def test_limits(owner_connection: asyncpg.Connection) -> None:
    for call, limit in {
        "wallet._is_idempotency_key(repeat('k', $1))": vocabulary.MAX_IDEMPOTENCY_KEY,
        "wallet.create_wallet(repeat('n', $1))": vocabulary.MAX_NAME,
        "wallet.create_api_key(repeat('n', $1), 'read', sha256('key'))": vocabulary.MAX_API_KEY_NAME,
        "wallet._check_reason(repeat('r', $1))": vocabulary.MAX_REASON,
        # One more row than a page says whether there is a next one.
        "wallet._check_limit($1)": vocabulary.MAX_PAGE + 1,
    }.items():
        assert await accepted(owner_connection, call, (0, 1, limit, limit + 1)) == [False, True, True, False], call
    amount = f"wallet._request_error('{uuid4()}', 'DEPOSIT', $1::numeric::bigint)"
    assert await accepted(owner_connection, amount, (0, 1, vocabulary.MAX_AMOUNT)) == [False, True, True]
    with pytest.raises(asyncpg.NumericValueOutOfRangeError):
        await accepted(owner_connection, amount, [vocabulary.MAX_AMOUNT + 1])
    arguments = "select pg_get_function_arguments('wallet.list_operations'::regproc)"
    assert f"p_limit integer DEFAULT {vocabulary.DEFAULT_PAGE}," in await owner_connection.fetchval(arguments)


async def test_patterns(owner_connection: asyncpg.Connection) -> None:
    characters = [chr(code) for code in range(1, 0x180)]
    assert await accepted(owner_connection, "wallet._is_idempotency_key($1)", characters) == [
        bool(vocabulary.IDEMPOTENCY_KEY.fullmatch(character)) for character in characters
    ]
    assert await accepted(owner_connection, "wallet._check_reason('a' || $1 || 'b')", characters) == [
        not vocabulary.CONTROL_CHARACTER.search(character) for character in characters
    ]
    for text in (str(uuid4()), str(uuid4()).upper()):
        assert vocabulary.UUID.fullmatch(text)
        assert await owner_connection.fetchval("select $1::text::uuid", text) == UUID(text)
    for row in await owner_connection.fetch("select code from wallet.list_currencies()"):
        assert vocabulary.CURRENCY.fullmatch(row["code"])

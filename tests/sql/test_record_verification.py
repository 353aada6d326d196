"""wallet.record_verification, wallet.admin_verify_wallet and wallet.list_broken_wallets"""

from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, Audited, Refused


@pytest.fixture
async def broken(superuser_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> UUID:
    """A wallet whose balance was forged."""
    await apply(wallet_id, "DEPOSIT", 100)
    await superuser_connection.execute("update wallet.wallets set balance = 70")
    return wallet_id


async def listed(connection: asyncpg.Connection) -> list[UUID]:
    return [row["wallet_id"] for row in await connection.fetch("select * from wallet.list_broken_wallets(10)")]


async def test_it_answers_what_verify_wallet_answers(app_connection: asyncpg.Connection, broken: UUID) -> None:
    found = await app_connection.fetch("select * from wallet.verify_wallet($1)", broken)
    assert found
    assert await app_connection.fetch("select * from wallet.record_verification($1)", broken) == found


async def test_a_broken_wallet_is_listed_until_it_is_sound(
    app_connection: asyncpg.Connection, superuser_connection: asyncpg.Connection, broken: UUID
) -> None:
    assert await listed(app_connection) == []
    await app_connection.execute("select wallet.record_verification($1)", broken)
    row = await app_connection.fetchrow("select * from wallet.list_broken_wallets(10)")
    assert (row["wallet_id"], row["name"], row["currency"], row["decimals"]) == (broken, None, "RUB", 2)
    assert '"balance_exact"' in row["findings"]

    await superuser_connection.execute("update wallet.wallets set balance = 100")
    assert await app_connection.fetch("select * from wallet.record_verification($1)", broken) == []
    assert await listed(app_connection) == []


async def test_the_most_recently_verified_is_listed_first(
    app_connection: asyncpg.Connection, superuser_connection: asyncpg.Connection
) -> None:
    ids = [await app_connection.fetchval("select id from wallet.create_wallet()") for _ in range(3)]
    await superuser_connection.execute("update wallet.wallets set balance = 70")
    for wallet_id in ids:
        await app_connection.execute("select wallet.record_verification($1)", wallet_id)
    assert await listed(app_connection) == ids[::-1]
    assert len(await app_connection.fetch("select * from wallet.list_broken_wallets(2)")) == 2


async def test_it_keeps_the_first_hundred_findings(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    await owner_connection.execute(
        "insert into wallet.operations select $1, i, gen_random_uuid(), 1, i, now(), 'DEPOSIT', i::text"
        " from generate_series(1, 200) as i",
        wallet_id,
    )
    assert len(await app_connection.fetch("select * from wallet.record_verification($1)", wallet_id)) > 200
    assert await owner_connection.fetchval("select jsonb_array_length(findings) from wallet.verifications") == 100


async def test_it_refuses_an_unknown_wallet(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, refused: Refused
) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.record_verification($1)", uuid4())
    assert await owner_connection.fetchval("select count(*) from wallet.verifications") == 0


async def test_for_an_admin_it_does_the_same_and_writes_it_down(
    app_connection: asyncpg.Connection, session: str, broken: UUID, audited: Audited
) -> None:
    found = await app_connection.fetch("select * from wallet.verify_wallet($1)", broken)
    answer = await app_connection.fetch(
        "select * from wallet.admin_verify_wallet($1, '192.0.2.1', $2)", session, broken
    )
    assert answer == found
    assert await listed(app_connection) == [broken]
    assert await audited("verify") == [("ann", "192.0.2.1", broken, "done", {"findings": len(found)})]


async def test_without_a_session_nothing_is_verified(
    app_connection: asyncpg.Connection, broken: UUID, refused: Refused, audited: Audited
) -> None:
    async with refused("WA020"):
        await app_connection.execute("select wallet.admin_verify_wallet('of nobody', null, $1)", broken)
    assert (await listed(app_connection), await audited("verify")) == ([], [])


@pytest.mark.parametrize("limit", [None, 0, 1002])
async def test_it_refuses_a_list_of_another_length(
    app_connection: asyncpg.Connection, refused: Refused, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.list_broken_wallets($1)", limit)

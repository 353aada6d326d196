"""wallet.verify_wallet"""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, ReadState, Refused

Findings = Callable[[], Awaitable[list[tuple[str, int | None]]]]


@pytest.fixture
async def wallet_id(wallet_id: UUID, apply: Apply) -> UUID:
    """A wallet with a history: 100, 70, 75."""
    await apply(wallet_id, "DEPOSIT", 100)
    await apply(wallet_id, "WITHDRAW", 30, "order-17")
    await apply(wallet_id, "DEPOSIT", 5)
    return wallet_id


@pytest.fixture
def findings(app_connection: asyncpg.Connection, wallet_id: UUID) -> Findings:
    """What is found wrong: invariants, each with the seq that breaks it."""

    async def verify() -> list[tuple[str, int | None]]:
        rows = await app_connection.fetch("select * from wallet.verify_wallet($1)", wallet_id)
        return [(row["invariant"], row["seq"]) for row in rows]

    return verify


async def test_it_finds_nothing_wrong_with_a_sound_wallet(findings: Findings) -> None:
    assert await findings() == []


async def test_it_finds_nothing_wrong_with_a_new_wallet(app_connection: asyncpg.Connection) -> None:
    new = await app_connection.fetchval("select id from wallet.create_wallet()")
    assert await app_connection.fetch("select * from wallet.verify_wallet($1)", new) == []


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        pytest.param(
            "update wallet.operations set seq = 4 where seq = 3; update wallet.wallets set last_seq = 4",
            [("seq_gapless", 4)],
            id="a gap",
        ),
        pytest.param(
            "update wallet.operations set amount = 31 where seq = 2", [("balance_after_exact", 2)], id="a forged amount"
        ),
        pytest.param(
            "update wallet.operations set amount = 9223372036854775807 where seq = 3",
            [("balance_after_exact", 3)],
            id="an amount that overflows",
        ),
        pytest.param(
            "update wallet.operations set operation_type = 'DEPOSIT' where seq = 2",
            [("balance_after_exact", 2)],
            id="a withdrawal turned deposit",
        ),
        pytest.param(
            "update wallet.operations set balance_after = 76 where seq = 3; update wallet.wallets set balance = 76",
            [("balance_after_exact", 3)],
            id="a balance forged in both places",
        ),
        pytest.param(
            "update wallet.operations set balance_after = 101 where seq = 1",
            [("balance_after_exact", 1), ("balance_after_exact", 2)],
            id="a forged first balance",
        ),
        pytest.param(
            "update wallet.operations set created_at = created_at - interval '1 hour' where seq = 2",
            [("time_not_backwards", 2)],
            id="time that runs backwards",
        ),
        pytest.param(
            "update wallet.operations set idempotency_key = 'order-18' where seq = 2",
            [("id_of_key", 2)],
            id="a forged key",
        ),
        pytest.param(
            "update wallet.operations set id = gen_random_uuid() where seq = 3", [("id_of_key", 3)], id="a forged id"
        ),
        pytest.param("update wallet.wallets set balance = 76", [("balance_exact", None)], id="a forged balance"),
        pytest.param("update wallet.wallets set last_seq = 4", [("last_seq_exact", None)], id="a forged last_seq"),
        pytest.param(
            "delete from wallet.operations where seq = 3",
            [("balance_exact", None), ("last_seq_exact", None)],
            id="the newest operation gone",
        ),
        pytest.param(
            "delete from wallet.operations",
            [("balance_exact", None), ("last_seq_exact", None)],
            id="all operations gone",
        ),
        pytest.param(
            "delete from wallet.operations where seq = 1",
            [("balance_after_exact", 2), ("seq_gapless", 2), ("seq_gapless", 3)],
            id="the first operation gone",
        ),
    ],
)
async def test_it_finds(
    superuser_connection: asyncpg.Connection,
    findings: Findings,
    tampering: str,
    expected: list[tuple[str, int | None]],
) -> None:
    await superuser_connection.execute(tampering)
    assert sorted(await findings(), key=str) == sorted(expected, key=str)


async def test_it_tells_what_it_expected_and_what_it_found(
    superuser_connection: asyncpg.Connection, app_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    await superuser_connection.execute("update wallet.operations set amount = 9223372036854775807 where seq = 3")
    finding = await app_connection.fetchrow("select * from wallet.verify_wallet($1)", wallet_id)
    assert dict(finding) == {
        "invariant": "balance_after_exact",
        "seq": 3,
        "expected": "9223372036854775877",
        "found": "75",
    }


async def test_it_looks_at_the_wallet_asked_for_alone(
    superuser_connection: asyncpg.Connection, app_connection: asyncpg.Connection, findings: Findings
) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    await superuser_connection.execute("update wallet.wallets set balance = 1 where id = $1", other)
    assert await findings() == []


async def test_it_changes_nothing(
    superuser_connection: asyncpg.Connection, findings: Findings, state: ReadState
) -> None:
    await superuser_connection.execute("update wallet.wallets set balance = 76")
    before = await state()
    await findings()
    assert await state() == before


@pytest.mark.parametrize("unknown", [None, uuid4()], ids=["null", "unknown"])
async def test_it_refuses_a_wallet_that_there_is_not(
    app_connection: asyncpg.Connection, refused: Refused, unknown: UUID | None
) -> None:
    async with refused("WA001"):
        await app_connection.execute("select * from wallet.verify_wallet($1)", unknown)

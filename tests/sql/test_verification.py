"""Verification: a wallet is derived anew from its ledger, alone or among all."""

import json
from typing import Any
from uuid import UUID, uuid4

from ledger import Database

from . import Audited

WALLET = "update wallet.wallets set {} where id = $1"
LEDGER = "update wallet.operations set {} where wallet_id = $1 and seq = {}"
DELETE = "delete from wallet.operations where wallet_id = $1"

# What was done to a wallet with the balances 100, 70 and 75, and what must be found: the invariant and the seq.
FORGERIES: dict[str, tuple[list[str], set[tuple[str, int | None]]]] = {
    "nothing": ([], set()),
    "a gap": ([LEDGER.format("seq = 4", 3), WALLET.format("last_seq = 4")], {("seq_gapless", 4)}),
    "an amount": ([LEDGER.format("amount = 31", 2)], {("balance_after_exact", 2)}),
    "an overflow": ([LEDGER.format("amount = 9223372036854775807", 3)], {("balance_after_exact", 3)}),
    "a type": ([LEDGER.format("operation_type = 'DEPOSIT'", 2)], {("balance_after_exact", 2)}),
    "both balances": (
        [LEDGER.format("balance_after = 76", 3), WALLET.format("balance = 76")],
        {("balance_after_exact", 3)},
    ),
    "the first balance": (
        [LEDGER.format("balance_after = 101", 1)],
        {("balance_after_exact", 1), ("balance_after_exact", 2)},
    ),
    "the time": ([LEDGER.format("created_at = created_at - interval '1 hour'", 2)], {("time_not_backwards", 2)}),
    "a key": ([LEDGER.format("idempotency_key = 'order-18'", 2)], {("id_of_key", 2)}),
    "an id": ([LEDGER.format("id = gen_random_uuid()", 3)], {("id_of_key", 3)}),
    "the balance": ([WALLET.format("balance = 76")], {("balance_exact", None)}),
    "a lower balance": ([WALLET.format("balance = 74")], {("balance_exact", None)}),
    "last_seq": ([WALLET.format("last_seq = 4")], {("last_seq_exact", None)}),
    "a lower last_seq": ([WALLET.format("last_seq = 2")], {("last_seq_exact", None)}),
    "no newest": ([f"{DELETE} and seq = 3"], {("balance_exact", None), ("last_seq_exact", None)}),
    "no operations": ([DELETE], {("balance_exact", None), ("last_seq_exact", None)}),
    "no first": ([f"{DELETE} and seq = 1"], {("balance_after_exact", 2), ("seq_gapless", 2), ("seq_gapless", 3)}),
}


async def forged(database: Database, forgery: str) -> UUID:
    """A wallet with a history, of which something was forged."""
    wallet_id = await database.wallet(100)
    await database.row("apply_operation", wallet_id, "WITHDRAW", 30, "order-17")
    await database.deposit(wallet_id, 5)
    for statement in FORGERIES[forgery][0]:
        await database.tamperer.execute(statement, wallet_id)
    return wallet_id


async def findings(database: Database, wallet_id: UUID) -> list[dict[str, Any]]:
    return [dict(row) for row in await database.rows("verify_wallet", wallet_id)]


async def broken(database: Database) -> dict[UUID, Any]:
    """The wallets that are listed as broken, in their order, with their findings."""
    rows = await database.rows("list_broken_wallets", 1001)
    return {row["wallet_id"]: json.loads(row["findings"]) for row in rows}


async def verify(database: Database, run: int, *bounds: int) -> dict[UUID, Any]:
    rows = await database.rows("verify_next", run, *bounds)
    return {row["wallet_id"]: json.loads(row["findings"]) for row in rows}


async def test_every_forgery_is_found(own: Database) -> None:
    wallets = {forgery: await forged(own, forgery) for forgery in FORGERIES}
    wallets["new"] = await own.wallet()
    for forgery, wallet_id in wallets.items():
        before = await own.state(wallet_id)
        found = await findings(own, wallet_id)
        expected = FORGERIES.get(forgery, ([], set()))[1]
        assert {(finding["invariant"], finding["seq"]) for finding in found} == expected, forgery
        assert len(found) == len(expected)
        assert await own.state(wallet_id) == before
    assert await findings(own, wallets["an overflow"]) == [
        {"invariant": "balance_after_exact", "seq": 3, "expected": "9223372036854775877", "found": "75"}
    ]
    # Among all wallets the same is found, and listed.
    each = {wallet_id: await findings(own, wallet_id) for wallet_id in wallets.values()}
    run = await own.row("begin_verification")
    assert await verify(own, run["run_id"]) == each
    assert await broken(own) == {wallet_id: found for wallet_id, found in each.items() if found}


async def test_what_no_constraint_would_allow_is_a_finding(own: Database) -> None:
    await own.tamperer.execute(
        "alter table wallet.operations"
        " drop constraint operations_type_known, drop constraint operations_amount_positive"
    )
    for forgery in ("operation_type = 'BONUS'", "amount = -9223372036854775808"):
        wallet_id = await forged(own, "nothing")
        await own.tamperer.execute(LEDGER.format(forgery, 2), wallet_id)
        assert [(row["invariant"], row["seq"]) for row in await findings(own, wallet_id)] == [
            ("balance_after_exact", 2)
        ], forgery


# record_verification, admin_verify_wallet, list_broken_wallets


async def test_a_broken_wallet_is_listed_until_it_is_sound(own: Database) -> None:
    wallets = [await forged(own, "the balance") for _ in range(3)]
    assert await broken(own) == {}
    for wallet_id in wallets:
        assert [dict(row) for row in await own.rows("record_verification", wallet_id)] == await findings(own, wallet_id)
    assert list(await broken(own)) == wallets[::-1]  # the most recently verified first
    row = (await own.rows("list_broken_wallets", 1))[0]
    assert (row["wallet_id"], row["name"], row["currency"], row["decimals"]) == (wallets[-1], None, "RUB", 2)
    assert len(await own.rows("list_broken_wallets", 2)) == 2
    await own.tamperer.execute("update wallet.wallets set balance = 75")
    assert await own.rows("record_verification", wallets[0]) == []
    assert list(await broken(own)) == [wallets[2], wallets[1]]
    await verify(own, (await own.row("begin_verification"))["run_id"])
    assert await broken(own) == {}


async def test_the_first_hundred_findings_are_kept(database: Database) -> None:
    wallet_id = await database.wallet()
    await database.app.execute(
        "select wallet.apply_operation($1, 'DEPOSIT', 1) from generate_series(1, 200)", wallet_id
    )
    await database.tamperer.execute(
        "update wallet.operations set id = gen_random_uuid() where wallet_id = $1", wallet_id
    )
    assert len(await database.rows("record_verification", wallet_id)) == 200
    assert len((await broken(database))[wallet_id]) == 100


async def test_an_admin_verifies_and_that_is_recorded(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await forged(database, "the balance")
    await database.raises("WA020", "admin_verify_wallet", "of nobody", None, wallet_id)
    await database.raises("WA001", "admin_verify_wallet", session, None, uuid4())
    assert (wallet_id in await broken(database), await audited("verify")) == (False, [])
    rows = await database.rows("admin_verify_wallet", session, "192.0.2.1", wallet_id)
    assert [dict(row) for row in rows] == await findings(database, wallet_id)
    assert wallet_id in await broken(database)
    assert await audited("verify") == [("ann", "192.0.2.1", wallet_id, "done", {"findings": 1})]


# begin_verification, verify_next


async def test_every_wallet_is_verified_once(own: Database) -> None:
    wallets = [await own.wallet() for _ in range(7)]
    for wallet_id, count in zip(wallets, (0, 1, 2, 3, 4, 0, 1), strict=True):
        await own.deposit(wallet_id, *[1] * count)
    run = (await own.row("begin_verification"))["run_id"]
    seen: list[UUID] = []
    while rows := await own.rows("verify_next", run, 3, 4):
        assert len(rows) <= 3
        # The last wallet may go beyond the number of operations: a wallet is not divided.
        assert sum(row["operations"] for row in rows[:-1]) < 4
        seen += [row["wallet_id"] for row in rows]
        assert len(seen) <= 7
    assert seen == sorted(wallets)
    assert await own.rows("verify_next", run) == []
    assert await own.rows("verify_next", run + 1) == []  # a run that nobody began


async def test_a_run_is_resumed_where_it_ended(own: Database) -> None:
    wallets = sorted([await own.wallet(1) for _ in range(3)])
    await own.tamperer.execute("update wallet.wallets set balance = 2 where id = $1", wallets[0])
    first = await own.row("begin_verification")
    await own.rows("verify_next", first["run_id"], 2)
    resumed = await own.row("begin_verification", True)
    assert (resumed["run_id"], resumed["is_resumed"]) == (first["run_id"], True)
    assert (resumed["wallets"], resumed["operations"], resumed["broken"]) == (2, 2, 1)
    assert list(await verify(own, resumed["run_id"])) == wallets[2:]
    assert await verify(own, resumed["run_id"]) == {}
    another = await own.row("begin_verification", True)
    assert (another["run_id"] == first["run_id"], another["is_resumed"], another["wallets"]) == (False, False, 0)

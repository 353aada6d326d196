"""What admins do to wallets, each action with its line in the audit."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from ledger import Database

from . import Audited

ADDRESS = "192.0.2.1"
NOT_REASONS = (None, "", " ", "a\nb", "\x7f", "r" * 501)
REASON = "reason must be 1 to 500 characters, not only blanks, without control characters"
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


# admin_apply_operation


async def test_an_operation_is_applied_and_recorded_once(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await database.wallet()
    request = ("admin_apply_operation", session, ADDRESS, wallet_id, "DEPOSIT", 100, "key", "a gift")
    first = await database.row(*request)
    assert (first["status"], first["new_balance"], first["replayed"]) == ("SUCCESS", 100, False)
    before = await database.state(wallet_id)
    again = await database.row(*request)
    assert dict(again) == {**first, "replayed": True}
    assert (await database.state(wallet_id), await database.balance(wallet_id)) == (before, 100)
    plain = await database.app.prepare("select * from wallet.apply_operations(null, null, null, null)")
    assert list(first.keys()) == [attribute.name for attribute in plain.get_attributes()]
    detail = {"amount": 100, "reason": "a gift", "operation_id": str(first["operation_id"])}
    assert await audited("deposit") == [("ann", ADDRESS, wallet_id, "done", detail)]


async def test_a_rejected_operation_is_recorded_too(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await database.wallet()
    request = ("admin_apply_operation", session, ADDRESS, wallet_id)
    row = await database.row(*request, "WITHDRAW", 100, "key", "ж" * 500)
    assert (row["status"], row["error_code"], row["new_balance"]) == ("REJECTED", "WA002", 0)
    state = await database.state(wallet_id)
    assert [rejection["idempotency_key"] for rejection in state.rejections] == ["key"]
    for arguments in (("of nobody", "a gift", "WA020"), *((session, reason, "WA021") for reason in NOT_REASONS)):
        token, reason, code = arguments
        call = ("admin_apply_operation", token, ADDRESS, wallet_id, "DEPOSIT", 100, "other", reason)
        message = await database.raises(code, *call)
        assert message == (REASON if code == "WA021" else "not signed in: session not found or expired")
    assert await database.state(wallet_id) == state
    assert [(line[2], line[3]) for line in await audited("withdraw")] == [(wallet_id, "WA002")]
    assert await audited("deposit") == []


# admin_create_wallet


async def test_a_wallet_is_created_once(database: Database, session: str, audited: Audited) -> None:
    for name, opening in (("Bob", None), ("Bob", 100), (None, 100)):
        new = uuid4()
        request = ("admin_create_wallet", session, ADDRESS, new, name, "EUR", opening)
        wallet = await database.row(*request)
        assert (wallet["id"], wallet["name"], wallet["currency"]) == (new, name, "EUR")
        assert wallet["balance"] == (opening or 0)
        before = await database.state(new)
        assert [operation["idempotency_key"] for operation in before.operations] == ["opening"] * (opening is not None)
        assert await database.row(*request) == wallet
        assert await database.state(new) == before
        detail = {"name": name, "currency": "EUR", "opening_amount": opening}
        lines = [line for line in await audited("create_wallet") if line[2] == new]
        given = {member: value for member, value in detail.items() if value is not None}
        assert lines == [("ann", ADDRESS, new, "done", given)]


async def test_a_wallet_of_another_is_not_repeated(database: Database, session: str) -> None:
    other = await database.sign_in("bob")
    new, theirs = uuid4(), await database.wallet(p_name="Bob", p_currency="EUR")
    await database.row("admin_create_wallet", session, ADDRESS, new, "Bob", "EUR", None)
    for token, wallet_id, name, currency, opening in (
        (session, new, "Eve", "EUR", None),
        (session, new, "Bob", "RUB", None),
        (session, new, "Bob", "EUR", 100),
        (other, new, "Bob", "EUR", None),
        (session, theirs, "Bob", "EUR", None),
    ):
        request = ("admin_create_wallet", token, ADDRESS, wallet_id, name, currency, opening)
        assert await database.raises("WA009", *request) == f"wallet already exists: {wallet_id}"


async def test_no_wallet_is_created_when_anything_is_wrong(database: Database, session: str, audited: Audited) -> None:
    new = uuid4()
    for code, token, name, currency, opening in (
        ("WA020", "of nobody", "Bob", "EUR", None),
        ("WA003", session, "Bob", "EUR", 0),
        ("WA011", session, "Bob", "eur", None),
        ("WA014", session, " ", "EUR", None),
    ):
        await database.raises(code, "admin_create_wallet", token, ADDRESS, new, name, currency, opening)
    assert (await database.state(new)).wallets == []
    assert await audited("create_wallet") == []


# admin_set_wallet_status


async def test_a_change_of_status_is_recorded(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await database.wallet()
    request = ("admin_set_wallet_status", session, ADDRESS, wallet_id)
    for status, action in (("ACTIVE", None), ("FROZEN", "freeze"), ("ACTIVE", "unfreeze"), ("CLOSED", "close")):
        for _ in range(2):  # the second changes nothing, and is not recorded
            assert (await database.row(*request, status, "as agreed"))["status"] == status
        lines = [("ann", ADDRESS, wallet_id, "done", {"reason": "as agreed"})]
        assert await audited(action or "unfreeze") == (lines if action else [])


async def test_a_rejected_change_of_status_is_not_recorded(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await database.wallet(1)
    for code, token, status, reason in (
        ("WA020", "of nobody", "FROZEN", "as agreed"),
        *(("WA021", session, "FROZEN", reason) for reason in NOT_REASONS),
        ("WA012", session, "frozen", "as agreed"),
        ("WA013", session, "CLOSED", "as agreed"),
    ):
        await database.raises(code, "admin_set_wallet_status", token, ADDRESS, wallet_id, status, reason)
    await database.raises("WA001", "admin_set_wallet_status", session, ADDRESS, uuid4(), "FROZEN", "as agreed")
    assert (await database.row("get_wallet", wallet_id))["status"] == "ACTIVE"
    assert [await audited(action) for action in ("freeze", "unfreeze", "close")] == [[], [], []]


# admin_record_export, list_audit


async def test_an_export_is_recorded_in_utc(database: Database, session: str, audited: Audited) -> None:
    wallet_id = await database.wallet()
    for zone in ("UTC", "Asia/Tokyo"):
        await database.app.execute("select set_config('timezone', $1, false)", zone)
        await database.rows("admin_record_export", session, ADDRESS, wallet_id, MAY, JUNE)
    await database.app.execute("reset timezone")
    await database.rows("admin_record_export", session, ADDRESS, wallet_id, None, None)
    await database.raises("WA020", "admin_record_export", "of nobody", ADDRESS, wallet_id, MAY, JUNE)
    await database.raises("WA001", "admin_record_export", session, ADDRESS, uuid4(), MAY, JUNE)
    period = {"from": "2026-05-01T00:00:00", "until": "2026-06-01T00:00:00"}
    details: list[object] = [period, period, {"from": None, "until": None}]
    assert await audited("export") == [("ann", ADDRESS, wallet_id, "done", detail) for detail in details]


async def test_the_audit_is_paged_both_ways(own: Database) -> None:
    session, wallet_id = await own.sign_in("ann"), await own.wallet()
    for _ in range(5):
        await own.rows("admin_record_export", session, None, wallet_id, None, None)
    stored = await own.owner.fetch(
        """
        select a.*, w.currency from wallet.audit as a left join wallet.wallets as w on a.wallet_id = w.id
        order by a.id desc
        """
    )
    rows = await own.rows("list_audit", 50)
    assert [dict(row) for row in rows] == [dict(row) for row in stored]
    assert [row["currency"] for row in rows] == ["RUB"] * 5 + [None] * 2
    for limit in (1, 2, 3, 7, 1001):
        assert await pages(own, p_limit=limit) == [row["id"] for row in rows], limit
    for limit, is_backward in ((2, False), (50, False), (2, True), (50, True)):
        found = await pages(own, p_limit=limit, p_wallet_id=wallet_id, p_is_backward=is_backward)
        assert found == [row["id"] for row in rows[:5]]
        assert await pages(own, p_limit=limit, p_wallet_id=uuid4(), p_is_backward=is_backward) == []
    for wrong in (None, 0, 1002):
        await own.raises("WA015", "list_audit", wrong)
    for statement in ("update wallet.audit set admin = 'eve'", "delete from wallet.audit", "truncate wallet.audit"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await own.owner.execute(statement)
    assert await own.rows("list_audit", 50) == rows


async def pages(database: Database, *, p_is_backward: bool | None = None, **arguments: Any) -> list[int]:
    """The ids on all pages, newest first; in both directions unless one is given."""
    found: dict[bool, list[int]] = {}
    for is_backward in (False, True) if p_is_backward is None else (p_is_backward,):
        ids: list[int] = []
        page = await database.rows("list_audit", p_is_backward=is_backward, **arguments)
        while page:
            new = [row["id"] for row in page]
            ids = new + ids if is_backward else ids + new
            assert len(ids) < 100
            position = new[0] if is_backward else new[-1]
            page = await database.rows("list_audit", p_is_backward=is_backward, p_from_id=position, **arguments)
        found[is_backward] = ids
    (first, *others) = found.values()
    assert others in ([], [first])
    return first

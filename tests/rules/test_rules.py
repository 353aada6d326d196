"""The money rules. Each test runs at every entrance, which checks that nothing else is stored than it returned."""

from datetime import timedelta
from itertools import product
from uuid import uuid4

from ledger import MAX, Database

from . import Entrance, Item

TYPES = ("DEPOSIT", "WITHDRAW")
KEYS = ["k", "!", "~", "k" * 255, "a\\b\\", "'", '"', "%s$1{},", "');drop-table;--", "\\x00", "NULL", "~!@#$%^&*()"]
NOT_KEYS = ["", " ", "a b", " a", "a ", "a\tb", "a\n", "\x7f", "\x01", "ключ", "é", "🔑", "k" * 256, "é" * 128]
NOT_TYPES = [None, "", "deposit", " DEPOSIT", "DEPOSIT ", "TRANSFER", "DEPOSIT\n", "ＤＥＰＯＳＩＴ", "X" * 41]

AMOUNT = "amount must be between 1 and 9223372036854775807; got {}"
TYPE = "operation_type must be DEPOSIT or WITHDRAW; got {:.40}"
LIMIT = "balance limit exceeded: balance {}, deposit {}, maximum 9223372036854775807"
FUNDS = "insufficient funds: {} available, {} requested"
NOT_A_KEY = "idempotency key must be 1 to 255 visible ASCII characters"
KEY_REUSED = "idempotency key reused: it belongs to another operation_type or amount"


# Amounts, types and balances


async def test_any_amount_up_to_the_limit_is_applied(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet()
    balance = 0
    for operation_type, amount in (
        ("DEPOSIT", 1),
        ("WITHDRAW", 1),
        ("DEPOSIT", MAX - 1),
        ("DEPOSIT", 1),
        ("WITHDRAW", MAX),
        ("DEPOSIT", MAX),
        ("WITHDRAW", 1),
        ("WITHDRAW", MAX - 1),
    ):
        balance += amount if operation_type == "DEPOSIT" else -amount
        outcome = await entrance.apply(wallet_id, operation_type, amount, str(uuid4()))
        assert (outcome.code, outcome.new_balance, outcome.replayed) == (None, balance, False), (operation_type, amount)


async def test_an_amount_must_be_positive(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet(100)
    for operation_type, amount in product(TYPES, (None, 0, -1, -MAX - 1)):
        if entrance.can_carry(Item(wallet_id, operation_type, amount, "key")):
            outcome = await entrance.apply(wallet_id, operation_type, amount, "key")
            got = "null" if amount is None else amount
            assert (outcome.code, outcome.detail) == ("WA003", AMOUNT.format(got)), (operation_type, amount)
    assert (await entrance.apply(wallet_id, "DEPOSIT", 1, "key")).new_balance == 101  # the key is still free


async def test_a_type_must_be_deposit_or_withdraw(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet(100)
    for operation_type in NOT_TYPES:
        if entrance.can_carry(Item(wallet_id, operation_type, 1, "key")):
            outcome = await entrance.apply(wallet_id, operation_type, 1, "key")
            got = "null" if operation_type is None else operation_type
            assert (outcome.code, outcome.detail) == ("WA004", TYPE.format(got)), operation_type
    assert (await entrance.apply(wallet_id, "DEPOSIT", 1, "key")).new_balance == 101


async def test_a_withdrawal_takes_no_more_than_is_available(entrance: Entrance, database: Database) -> None:
    for balance, held, amount, is_applied in (
        (100, 0, 100, True),
        (100, 0, 101, False),
        (100, 0, MAX, False),
        (0, 0, 1, False),
        (100, 60, 40, True),
        (100, 60, 41, False),
        (MAX, MAX, 1, False),
        (MAX, 1, MAX - 1, True),
    ):
        wallet_id = await database.wallet(balance, held=held)
        outcome = await entrance.apply(wallet_id, "WITHDRAW", amount, "key")
        expected = (None, None) if is_applied else ("WA002", FUNDS.format(balance - held, amount))
        assert (outcome.code, outcome.detail) == expected, (balance, held, amount)


async def test_a_deposit_fills_a_wallet_no_further_than_bigint(entrance: Entrance, database: Database) -> None:
    for balance, held, amount, is_applied in (
        (MAX - 1, 0, 1, True),
        (0, 0, MAX, True),
        (MAX, 0, 1, False),
        (1, 0, MAX, False),
        (MAX, 0, MAX, False),
        (MAX - 1, 0, 2, False),
        (MAX, MAX, 1, False),
    ):
        wallet_id = await database.wallet(balance, held=held)
        outcome = await entrance.apply(wallet_id, "DEPOSIT", amount, "key")
        expected = (None, None) if is_applied else ("WA005", LIMIT.format(balance, amount))
        assert (outcome.code, outcome.detail) == expected, (balance, amount)


async def test_only_an_active_wallet_is_operated(entrance: Entrance, database: Database) -> None:
    for status, balance, operation_type in (*product(["FROZEN"], [0, 100], TYPES), *product(["CLOSED"], [0], TYPES)):
        wallet_id = await database.wallet(balance, status)
        outcome = await entrance.apply(wallet_id, operation_type, 100, "key")
        assert (outcome.code, outcome.detail) == ("WA006", f"wallet not active: status is {status}"), operation_type
    wallet_id = await database.wallet(0, "FROZEN")
    await database.row("set_wallet_status", wallet_id, "ACTIVE")
    assert (await entrance.apply(wallet_id, "DEPOSIT", 100, "key")).new_balance == 100


async def test_a_wallet_must_exist(entrance: Entrance, database: Database) -> None:
    late = uuid4()
    for wallet_id, key in product((None, late), (None, "key")):
        if entrance.can_carry(Item(wallet_id, "DEPOSIT", 1, key)):
            outcome = await entrance.apply(wallet_id, "DEPOSIT", 1, key)
            assert (outcome.code, outcome.detail) == ("WA001", f"wallet not found: {wallet_id or 'null'}")
    await database.wallet(wallet_id=late)
    assert (await entrance.apply(late, "DEPOSIT", 1, "key"))._replace(operation_id=None) == (None, None, None, 1, False)


async def test_the_first_rule_that_is_broken_is_reported(entrance: Entrance, database: Database) -> None:
    unknown, poor = uuid4(), await database.wallet(1)
    frozen, used = await database.wallet(MAX, "FROZEN"), await database.wallet()
    await entrance.apply(used, "DEPOSIT", 5, "used")
    await database.row("set_wallet_status", used, "FROZEN")
    for item, code in (
        (Item(None, None, None, ""), "WA003"),
        (Item(None, None, 1, ""), "WA004"),
        (Item(None, "DEPOSIT", 1, ""), "WA001"),
        (Item(unknown, "TRANSFER", 0, "a b"), "WA003"),
        (Item(unknown, "TRANSFER", 1, "a b"), "WA004"),
        (Item(unknown, "DEPOSIT", 1, "a b"), "WA008"),
        (Item(poor, "WITHDRAW", 2, "a b"), "WA008"),
        (Item(used, "WITHDRAW", 100, "used"), "WA007"),
        (Item(used, "TRANSFER", 5, "used"), "WA004"),
        (Item(used, "DEPOSIT", 0, "used"), "WA003"),
        (Item(frozen, "DEPOSIT", 1, "key"), "WA006"),
        (Item(frozen, "WITHDRAW", MAX, "other"), "WA006"),
    ):
        if entrance.can_carry(item):
            assert (await entrance.apply(*item)).code == code, item


# Idempotency keys


async def test_a_key_is_1_to_255_visible_ascii_characters(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet()
    for key in KEYS:
        outcome = await entrance.apply(wallet_id, "DEPOSIT", 1, key)  # which checks the key that is stored
        assert (outcome.code, outcome.replayed) == (None, False), key
    for key in NOT_KEYS:
        if entrance.can_carry(Item(wallet_id, "DEPOSIT", 1, key)):
            outcome = await entrance.apply(wallet_id, "DEPOSIT", 1, key)
            assert (outcome.code, outcome.detail) == ("WA008", NOT_A_KEY), key


async def test_without_a_key_every_request_is_applied(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet()
    if entrance.can_carry(Item(wallet_id, "DEPOSIT", 1, None)):
        outcomes = [await entrance.apply(wallet_id, "DEPOSIT", 1) for _ in range(3)]
        keys = [operation["idempotency_key"] for operation in (await database.state(wallet_id)).operations]
        assert [outcome.new_balance for outcome in outcomes] == [1, 2, 3]
        assert len({key[:8] for key in keys}) == 3  # none can be guessed from another
        assert await entrance.apply(wallet_id, "DEPOSIT", 1, keys[0]) == outcomes[0]._replace(replayed=True)


async def test_keys_differ_by_case_and_by_wallet(entrance: Entrance, database: Database) -> None:
    one, other = await database.wallet(), await database.wallet()
    outcomes = [await entrance.apply(*item) for item in product((one, other), ("DEPOSIT",), (1,), ("key", "KEY"))]
    assert [(outcome.new_balance, outcome.replayed) for outcome in outcomes] == [(1, False), (2, False)] * 2
    assert len({outcome.operation_id for outcome in outcomes}) == 4


async def test_a_replay_returns_the_first_outcome(entrance: Entrance, database: Database) -> None:
    for operation_type, later, status in product(
        TYPES, (("WITHDRAW", 70), ("DEPOSIT", MAX - 70)), ("ACTIVE", "FROZEN")
    ):
        wallet_id = await database.wallet(100 if operation_type == "WITHDRAW" else 40)
        first = await entrance.apply(wallet_id, operation_type, 30, "key")
        assert first.new_balance == 70
        # Now there is nothing left to withdraw, or no room for a deposit.
        assert (await entrance.apply(wallet_id, *later, "later")).code is None
        await database.row("set_wallet_status", wallet_id, status)
        again = await entrance.apply(wallet_id, operation_type, 30, "key")
        assert again == first._replace(replayed=True), (operation_type, later, status)


async def test_a_closed_wallet_still_replays(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet(30)
    first = await entrance.apply(wallet_id, "WITHDRAW", 30, "key")
    await database.row("set_wallet_status", wallet_id, "CLOSED")
    assert await entrance.apply(wallet_id, "WITHDRAW", 30, "key") == first._replace(replayed=True)


async def test_a_money_rejection_is_remembered(entrance: Entrance, database: Database) -> None:
    poor, full, frozen = await database.wallet(3), await database.wallet(MAX), await database.wallet(9, "FROZEN")
    items = [
        (Item(poor, "WITHDRAW", 5, "key"), "WA002"),
        (Item(full, "DEPOSIT", 1, "key"), "WA005"),
        (Item(frozen, "DEPOSIT", 7, "key"), "WA006"),
    ]
    first = [await entrance.apply(*item) for item, _ in items]
    assert [outcome.code for outcome in first] == [code for _, code in items]
    # Now each of them could be applied.
    await database.deposit(poor, 50)
    await database.row("apply_operation", full, "WITHDRAW", 50)
    await database.row("set_wallet_status", frozen, "ACTIVE")
    for (item, code), outcome in zip(items, first, strict=True):
        again = await entrance.apply(*item)
        if entrance.remembers_rejections:
            assert again == outcome._replace(replayed=True), code
        else:
            assert (again.code, again.replayed) == (None, False), code


async def test_a_key_belongs_to_one_type_and_amount(entrance: Entrance, database: Database) -> None:
    for operation_type, other in (("DEPOSIT", "WITHDRAW"), ("WITHDRAW", "DEPOSIT")):
        for balance, amount in ((100, 50), (0, 50)):
            wallet_id = await database.wallet(balance)
            first = await entrance.apply(wallet_id, operation_type, amount, "key")
            if first.code is not None and not entrance.remembers_rejections:
                continue
            for request in ((other, amount), (operation_type, amount + 1), (operation_type, amount - 1), (other, 1)):
                outcome = await entrance.apply(wallet_id, *request, "key")
                assert (outcome.code, outcome.detail, outcome.replayed) == ("WA007", KEY_REUSED, False), request
            assert await entrance.apply(wallet_id, operation_type, amount, "key") == first._replace(replayed=True)


async def test_every_entrance_replays_every_other(
    entrance: Entrance, entrances: list[Entrance], database: Database
) -> None:
    for other, (operation_type, code) in product(entrances, (("DEPOSIT", None), ("WITHDRAW", "WA002"))):
        wallet_id = await database.wallet()
        first = await entrance.apply(wallet_id, operation_type, 30, "key")
        assert first.code == code
        if code is not None and not entrance.remembers_rejections:
            continue
        await database.deposit(wallet_id, 100)
        again = await other.apply(wallet_id, operation_type, 30, "key")
        # Only some entrances tell a rejection's balance, or that it is remembered.
        same = again._replace(replayed=True) if code is None else again._replace(new_balance=first.new_balance)
        assert same._replace(replayed=True) == first._replace(replayed=True), type(other)
        assert (await other.apply(wallet_id, "DEPOSIT", 31, "key")).code == "WA007", type(other)


# Time


async def test_an_operation_is_dated_by_the_clock(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet()
    before = await database.owner.fetchval("select clock_timestamp()")
    await entrance.apply(wallet_id, "DEPOSIT", 1, "key")
    (operation,) = (await database.state(wallet_id)).operations
    assert before < operation["created_at"] < await database.owner.fetchval("select clock_timestamp()")


async def test_time_never_runs_backwards_within_a_wallet(entrance: Entrance, database: Database) -> None:
    wallet_id = await database.wallet()
    ahead = await database.owner.fetchval(
        "update wallet.wallets set updated_at = updated_at + $2 where id = $1 returning updated_at",
        *(wallet_id, timedelta(hours=1)),
    )
    for key in ("a", "b"):
        await entrance.apply(wallet_id, "DEPOSIT", 1, key)
    assert [operation["created_at"] for operation in (await database.state(wallet_id)).operations] == [ahead, ahead]

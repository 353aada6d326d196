"""wallet.admin_create_wallet"""

from collections.abc import Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from . import Audited, ReadState, Refused

Create = Callable[..., Awaitable[asyncpg.Record]]
NEW = uuid4()


@pytest.fixture
def create(app_connection: asyncpg.Connection, session: str) -> Create:
    """Makes the wallet NEW as ann: `await create("Bob", opening=100)`."""

    async def call(
        name: str | None = "Bob", currency: str = "EUR", opening: int | None = None, by: str = session
    ) -> asyncpg.Record:
        return await app_connection.fetchrow(
            "select * from wallet.admin_create_wallet($1, '192.0.2.1', $2, $3, $4, $5)",
            *(by, NEW, name, currency, opening),
        )

    return call


async def test_it_makes_an_empty_wallet_and_writes_it_down(create: Create, audited: Audited) -> None:
    wallet = await create()
    assert (wallet["id"], wallet["name"], wallet["currency"], wallet["balance"]) == (NEW, "Bob", "EUR", 0)
    assert await audited("create_wallet") == [("ann", "192.0.2.1", NEW, "done", {"name": "Bob", "currency": "EUR"})]


async def test_it_makes_the_opening_deposit(create: Create, state: ReadState, audited: Audited) -> None:
    assert (await create(opening=100))["balance"] == 100
    operations = [(one["wallet_id"], one["amount"], one["idempotency_key"]) for one in (await state()).operations]
    assert operations == [(NEW, 100, "opening")]
    detail = {"name": "Bob", "currency": "EUR", "opening_amount": 100}
    assert await audited("create_wallet") == [("ann", "192.0.2.1", NEW, "done", detail)]


@pytest.mark.parametrize("name", ["Bob", None])
async def test_sent_twice_it_is_done_once(create: Create, state: ReadState, audited: Audited, name: str | None) -> None:
    first = await create(name, opening=100)
    before = await state()
    assert await create(name, opening=100) == first
    assert await state() == before
    assert len(await audited("create_wallet")) == 1


@pytest.mark.parametrize("other", [{"name": "Eve"}, {"currency": "RUB"}, {"opening": 100}, {"by": "token of bob"}])
async def test_what_is_no_repetition_is_refused(
    app_connection: asyncpg.Connection, create: Create, refused: Refused, other: dict[str, object]
) -> None:
    await app_connection.execute("select wallet.create_admin('bob', 'hash')")
    await app_connection.execute("select wallet.begin_session('bob', 'token of bob', null)")
    await create()
    async with refused("WA009"):
        await create(**other)


async def test_a_wallet_of_somebody_else_is_no_repetition(
    app_connection: asyncpg.Connection, create: Create, refused: Refused
) -> None:
    await app_connection.execute("select wallet.create_wallet('Bob', 'EUR', $1)", NEW)
    async with refused("WA009"):
        await create()


@pytest.mark.parametrize(
    ("sqlstate", "arguments"),
    [
        ("WA020", {"by": "of nobody"}),
        ("WA003", {"opening": 0}),
        ("WA011", {"currency": "eur"}),
        ("WA014", {"name": " "}),
    ],
)
async def test_a_refusal_leaves_neither_wallet_nor_audit(
    create: Create, refused: Refused, audited: Audited, sqlstate: str, arguments: dict[str, object]
) -> None:
    async with refused(sqlstate):
        await create(**arguments)
    assert await audited("create_wallet") == []

"""wallet.end_session"""

import asyncpg

from . import Audited


async def test_it_signs_out_and_writes_it_down(
    app_connection: asyncpg.Connection, session: str, audited: Audited
) -> None:
    await app_connection.execute("select wallet.begin_session('ann', 'second', null)")
    await app_connection.execute("select wallet.end_session($1, '192.0.2.1')", session)
    assert await app_connection.fetch("select * from wallet.get_session($1)", session) == []
    assert await app_connection.fetchval("select username from wallet.get_session('second')") == "ann"
    assert await audited("logout") == [("ann", "192.0.2.1", None, "done", {})]


async def test_it_does_nothing_for_an_unknown_token(
    app_connection: asyncpg.Connection, session: str, audited: Audited
) -> None:
    await app_connection.execute("select wallet.end_session('of nobody', '192.0.2.1')")
    assert await app_connection.fetchval("select username from wallet.get_session($1)", session) == "ann"
    assert await audited("logout") == []

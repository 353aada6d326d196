"""`GET /api/wallets/{wallet_id}/`, a published contract."""

import pytest

from . import MAX_AMOUNT, UNKNOWN, Call, Refused


@pytest.mark.parametrize("slash", ["/", ""])
async def test_it_is_the_balance_and_nothing_else(call: Call, wallet: str, apply: Call, slash: str) -> None:
    await apply("DEPOSIT", "1000")
    answer = await call("GET", f"/api/wallets/{wallet}{slash}")
    assert (answer.status, answer.content) == (200, b'{"balance":1000}')
    assert answer.headers["content-type"] == "application/json"


async def test_it_is_zero_for_a_new_wallet(call: Call, wallet: str) -> None:
    assert (await call("GET", f"/api/wallets/{wallet}/")).content == b'{"balance":0}'


async def test_it_is_exact_at_its_largest(call: Call, wallet: str, apply: Call) -> None:
    await apply("DEPOSIT", str(MAX_AMOUNT))
    assert (await call("GET", f"/api/wallets/{wallet}/")).content == b'{"balance":9223372036854775807}'


async def test_an_id_may_be_in_upper_case(call: Call, wallet: str, apply: Call) -> None:
    await apply("DEPOSIT", "5")
    assert (await call("GET", f"/api/wallets/{wallet.upper()}/")).content == b'{"balance":5}'


async def test_it_refuses_an_unknown_wallet(call: Call, refused: Refused) -> None:
    answer = await refused(call("GET", f"/api/wallets/{UNKNOWN}/"), 404, "wallet_not_found")
    assert answer.json["detail"] == f"wallet not found: {UNKNOWN}"

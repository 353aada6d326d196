"""`GET /api/wallets/{wallet_id}/`, a published contract."""

import pytest

from . import MAX_AMOUNT, UNKNOWN, Call, ExpectProblem

pytestmark = pytest.mark.shared_database


async def test_the_response_is_the_balance_alone(call: Call, wallet: str, apply: Call) -> None:
    for amount, balance in ((None, 0), ("1000", 1000), (str(MAX_AMOUNT - 1000), MAX_AMOUNT)):
        if amount is not None:
            await apply("DEPOSIT", amount)
        for path in (f"/api/wallets/{wallet}/", f"/api/wallets/{wallet}", f"/api/wallets/{wallet.upper()}/"):
            response = await call("GET", path)
            assert (response.status, response.content) == (200, b'{"balance":%d}' % balance), path
            assert response.headers["content-type"] == "application/json"


async def test_an_unknown_wallet_is_not_found(call: Call, expect_problem: ExpectProblem) -> None:
    response = await expect_problem(call("GET", f"/api/wallets/{UNKNOWN}/"), 404, "wallet_not_found")
    assert response.json["detail"] == f"wallet not found: {UNKNOWN}"

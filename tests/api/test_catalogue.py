"""What each failure of the database is to a caller: one catalogue, by SQLSTATE."""

import asyncpg
import pytest

from service import errors

from . import UNKNOWN, Answer, Call, assert_problem


@pytest.fixture
def fail(call: Call, owner_connection: asyncpg.Connection) -> Call:
    """A request whose function raises an SQLSTATE: `await fail("WA001")`."""

    async def request(sqlstate: str) -> Answer:
        await owner_connection.execute(
            "create or replace function wallet.get_wallet(p_wallet_id uuid) returns wallet.wallet_details "
            f"language plpgsql as $$ begin raise exception 'as the function says' using errcode = '{sqlstate}'; end $$"
        )
        return await call("GET", f"/api/wallets/{UNKNOWN}/details")

    return request


@pytest.mark.parametrize(
    ("sqlstate", "status", "code"),
    [
        ("WA001", 404, "wallet_not_found"),
        ("WA002", 400, "insufficient_funds"),
        ("WA003", 400, "invalid_amount"),
        ("WA004", 400, "invalid_operation_type"),
        ("WA005", 400, "balance_limit_exceeded"),
        ("WA006", 409, "wallet_not_active"),
        ("WA007", 422, "idempotency_key_reused"),
        ("WA008", 400, "invalid_idempotency_key"),
        ("WA009", 409, "wallet_already_exists"),
        ("WA010", 404, "operation_not_found"),
        ("WA011", 400, "invalid_currency"),
        ("WA012", 400, "invalid_status"),
        ("WA013", 409, "wallet_not_empty"),
        ("WA014", 400, "invalid_name"),
        ("WA015", 400, "invalid_limit"),
        ("WA016", 409, "admin_already_exists"),
        ("WA017", 400, "invalid_username"),
        ("WA018", 404, "admin_not_found"),
        ("WA019", 429, "too_many_attempts"),
        ("WA020", 401, "not_signed_in"),
        ("WA021", 400, "invalid_reason"),
        ("WA022", 400, "invalid_order"),
        ("WA023", 409, "api_key_already_exists"),
        ("WA024", 404, "api_key_not_found"),
        ("WA025", 400, "invalid_scope"),
        ("WA026", 400, "invalid_rate_limit"),
    ],
)
async def test_a_refusal_of_a_function_is_told_in_its_words(fail: Call, sqlstate: str, status: int, code: str) -> None:
    answer = await fail(sqlstate)
    assert_problem(answer, status, code)
    assert answer.json["detail"] == "as the function says"


def test_every_refusal_has_a_code_and_a_title_of_its_own() -> None:
    own = [entry for entry in vars(errors).values() if isinstance(entry, errors.ProblemType)]
    entries = {*errors.BY_SQLSTATE.values(), *own}
    assert len({entry.code for entry in entries}) == len({entry.title for entry in entries}) == len(entries)


@pytest.mark.parametrize(
    "sqlstate", ["08006", "53300", "53100", "57P01", "57P03", "57014", "40001", "40P01", "55P03", "25006"]
)
async def test_what_another_try_may_mend_is_told_to_come_again(fail: Call, sqlstate: str) -> None:
    answer = await fail(sqlstate)
    assert_problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "as the function says" not in answer.json["detail"]


@pytest.mark.parametrize("sqlstate", ["22012", "23505", "42P01", "P0001", "XX000", "WA099"])
async def test_any_other_failure_is_a_defect_of_which_nothing_is_told(fail: Call, sqlstate: str) -> None:
    answer = await fail(sqlstate)
    assert_problem(answer, 500, "internal_error")
    assert "retry-after" not in answer.headers
    assert b"as the function says" not in answer.content

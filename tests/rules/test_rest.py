"""POST /api/wallets/{wallet_id}/operation: what is particular to HTTP. Its names, types and statuses are published."""

import asyncio
import json
from uuid import UUID

from ledger import MAX, Database, id_of

from . import PUBLISHED, Client, Response, post

NOT_AMOUNTS = [1.0, "1e3", "", " 1", "1\n", "+1", "٣", MAX + 1, str(MAX + 1), 10**30, "0" * 19 + "1"]
NOT_NUMBERS: list[object] = [None, True, [1], {}]
NOT_TYPES: list[object] = [None, 1, [], "DEPOSIT\0"]


def path(wallet_id: object) -> str:
    return f"/api/wallets/{wallet_id}/operation"


def body(operation_type: object, amount: object) -> dict[str, object]:
    return {"operation_type": operation_type, "amount": amount}


def is_replay(first: Response, again: Response) -> bool:
    """Whether it is the first response again, to the byte, and is marked as a replay."""
    assert not first.replayed
    return again.replayed and (again.status, again.content, again.headers["Content-Type"]) == (
        first.status,
        first.content,
        first.headers["Content-Type"],
    )


async def test_a_response_is_exact_to_the_byte(client: Client, database: Database) -> None:
    wallet_id = await database.wallet(100)
    for operation_type, new_balance, slash in (("DEPOSIT", 130, ""), ("WITHDRAW", 100, "/")):
        response = await post(client, path(wallet_id) + slash, body(operation_type, "30"), operation_type)
        assert (response.status, response.headers["Content-Type"]) == (201, "application/json")
        assert response.content.decode() == (
            f'{{"operation_id":"{id_of(wallet_id, operation_type)}","status":"SUCCESS",'
            f'"operation_type":"{operation_type}","amount":"30","new_balance":"{new_balance}"}}'
        )
        assert "Idempotent-Replayed" not in response.headers


async def test_an_amount_is_an_integer_or_digits(client: Client, database: Database) -> None:
    for text, amount in (
        ("1", 1),
        ('"1"', 1),
        ('"007"', 7),
        ('"0000000000000000001"', 1),
        (str(MAX), MAX),
        (f'"{MAX}"', MAX),
    ):
        wallet_id = await database.wallet()
        content = f'{{"operation_type": "DEPOSIT", "amount": {text}}}'.encode()
        first = await post(client, path(wallet_id), content, "key")
        assert (first.status, first.json["amount"], first.json["new_balance"]) == (201, str(amount), str(amount)), text
        assert is_replay(first, await post(client, path(wallet_id), body("DEPOSIT", amount), "key"))


async def test_json_may_be_written_in_any_way(client: Client, database: Database) -> None:
    escaped = json.dumps("DEPOSIT").replace("D", "\\u0044")
    for content in (
        f'\r\n\t {{ "amount" :2 ,\n"operation_type":{escaped}}}  \n',
        '{"operation_type": "DEPOSIT", "amount": "1", "amount": "2"}',
        '{"comment": {"nested": [null, 1.5]}, "operation_type": "DEPOSIT", "amount": 2, "new_balance": "1000000"}',
    ):
        response = await post(client, path(await database.wallet()), content.encode())
        assert (response.status, response.json["amount"], response.json["new_balance"]) == (201, "2", "2"), content


async def test_a_malformed_request_changes_nothing(client: Client, database: Database) -> None:
    wallet_id = await database.wallet(100)
    before = await database.state(wallet_id)
    for content, code in (
        *((body("DEPOSIT", amount), "invalid_amount") for amount in (*NOT_AMOUNTS, *NOT_NUMBERS)),
        *((body(kind, "1"), "invalid_operation_type") for kind in NOT_TYPES),
        ({"operation_type": "DEPOSIT"}, "invalid_amount"),
        ({"amount": "1"}, "invalid_operation_type"),
        ([], "invalid_request"),
        (b"{", "invalid_request"),
    ):
        response = await post(client, path(wallet_id), content, "key")
        assert (response.status, response.json["code"], response.replayed) == (400, code, False), content
    for keys in (("a", "b"), ("a", "a")):
        response = await post(client, path(wallet_id), body("DEPOSIT", "1"), *keys)
        assert (response.status, response.json["code"]) == (400, "invalid_idempotency_key"), keys
    for unknown in ("1", wallet_id.hex, f"{{{wallet_id}}}"):
        response = await post(client, path(unknown), body("DEPOSIT", "1"), "key")
        assert (response.status, response.json["detail"]) == (404, "wallet not found: wallet_id must be a UUID")
    assert await database.state(wallet_id) == before
    assert (await post(client, path(wallet_id), body("DEPOSIT", "1"), "key")).status == 201  # the key is still free


async def test_a_replay_is_the_same_to_the_byte(client: Client, database: Database) -> None:
    empty, poor = await database.wallet(), await database.wallet(1)
    full, frozen = await database.wallet(MAX), await database.wallet(9, "FROZEN")
    for wallet_id, operation_type, status, code in (
        (empty, "DEPOSIT", 201, None),
        (poor, "WITHDRAW", 400, "insufficient_funds"),
        (full, "DEPOSIT", 400, "balance_limit_exceeded"),
        (frozen, "DEPOSIT", 409, "wallet_not_active"),
    ):
        key, content = f"{operation_type}-{status}", body(operation_type, "30")
        first = await post(client, path(wallet_id), content, key)
        assert (first.status, first.json.get("code")) == (status, code)
        assert first.headers["Content-Type"] == f"application/{'json' if code is None else 'problem+json'}"
        assert code is None or PUBLISHED[code][1] == status
        assert is_replay(first, await post(client, path(wallet_id), content, key))
        assert is_replay(first, await post(client, path(str(wallet_id).upper()), content, key))
        await database.row("set_wallet_status", wallet_id, "ACTIVE" if status == 409 else "FROZEN")
        assert is_replay(first, await post(client, path(wallet_id), content, key))
        await database.row("set_wallet_status", wallet_id, "ACTIVE")


async def test_requests_at_once_with_one_key_count_once(client: Client, database: Database) -> None:
    for operation_type, status in (("DEPOSIT", 201), ("WITHDRAW", 400)):
        wallet_id = await database.wallet()
        requests = (post(client, path(wallet_id), body(operation_type, "30"), "key") for _ in range(20))
        responses = await asyncio.gather(*requests)
        assert {(response.status, response.content) for response in responses} == {(status, responses[0].content)}
        assert sum(response.replayed for response in responses) == 19
        state = await database.state(wallet_id)
        assert len(state.operations) + len(state.rejections) == 1


async def test_a_request_replays_what_it_waited_for(client: Client, database: Database) -> None:
    wallet_id = await database.wallet()
    blocked = "select pid from pg_stat_activity where $1 = any(pg_blocking_pids(pid))"
    async with database.app.transaction(), asyncio.timeout(30):
        await database.row("apply_operation", wallet_id, "DEPOSIT", 30, "key")
        request = asyncio.create_task(post(client, path(wallet_id), body("DEPOSIT", "30"), "key"))
        while not await database.owner.fetch(blocked, database.app.get_server_pid()):
            assert not request.done()
    response = await request
    assert (response.status, response.replayed) == (201, True)
    assert len((await database.state(wallet_id)).operations) == 1


async def test_a_generated_key_is_not_the_request_id(client: Client, database: Database) -> None:
    wallet_id = await database.wallet()
    response = await post(client, path(wallet_id), body("DEPOSIT", "1"))
    (operation,) = (await database.state(wallet_id)).operations
    assert UUID(response.json["operation_id"]) == operation["id"]
    assert response.headers["X-Request-ID"][:8] != operation["idempotency_key"][:8]

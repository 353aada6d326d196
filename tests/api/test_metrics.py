"""What is counted, as Prometheus reads it."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from . import Call, Connect, post

OPS = Path(__file__).parents[2] / "ops"

Read = Callable[..., Awaitable[float]]


async def families(call: Call) -> list[Metric]:
    return list(text_string_to_metric_families((await call("GET", "/metrics")).content.decode()))


@pytest.fixture
def read(call: Call) -> Read:
    """The value of a sample, 0 when there is none: `await read("wallets_operations_total", type="DEPOSIT")`."""

    async def value(name: str, **labels: str) -> float:
        samples = [sample for family in await families(call) for sample in family.samples if sample.name == name]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    return value


async def test_prometheus_can_read_it(call: Call, wallet: str, read: Read) -> None:
    for slash in ("/", ""):
        response = await call("GET", f"/metrics{slash}")
        assert (response.status, response.headers["cache-control"]) == (200, "no-store")
        assert response.headers["content-type"].startswith("text/plain; version=")
    await call("GET", f"/api/wallets/{wallet}/details")
    assert await read("wallets_pool_connections", state="idle") >= 1
    assert await read("wallets_pool_connections", state="used") == 0
    assert await read("process_resident_memory_bytes") > 0
    assert await read("wallets_info") == 1


async def test_requests_are_counted_by_route_method_and_status(call: Call, wallet: str, read: Read) -> None:
    for slash in ("", "/"):
        await call("GET", f"/api/wallets/{wallet}{slash}")
    await call("GET", "/api/wallets/nobody/")
    for path in ("/nowhere", "/some/where/else"):
        await call("GET", path)
    await call("DELETE", "/api/wallets/")

    count = "wallets_http_request_duration_seconds_count"
    route = "/api/wallets/{wallet_id}"
    assert await read(count, route=route, method="GET", status="200") == 2
    assert await read(count, route=route, method="GET", status="404") == 1
    assert await read(count, route="unmatched", status="404") == 2
    assert await read(count, route="unmatched", status="405") == 1
    assert await read("wallets_http_request_duration_seconds_sum", route=route) > 0


async def test_no_request_adds_a_label(call: Call) -> None:
    async def labels() -> set[str]:
        return set(re.findall(r"\{.*?\}", (await call("GET", "/metrics")).content.decode()))

    await call("GET", "/nowhere")
    await labels()
    before = await labels()
    for attempt in range(5):
        await call("GET", f"/nowhere/{attempt}")
        await call(f"METHOD{attempt}", "/nowhere")
    assert await labels() == before


async def test_operations_are_counted_by_type_and_outcome(call: Call, wallet: str, read: Read) -> None:
    def item(operation_type: str, key: str) -> dict[str, object]:
        return {"wallet_id": wallet, "operation_type": operation_type, "amount": 5, "idempotency_key": key}

    await call("POST", "/api/operations/", json={"operations": [item("DEPOSIT", "a"), item("DEPOSIT", "b")]})
    for operation_type, key in (("DEPOSIT", "a"), ("WITHDRAW", "c"), ("STEAL", "d")):
        await call(
            "POST",
            f"/api/wallets/{wallet}/operation",
            json={"operation_type": operation_type, "amount": 5},
            headers={"Idempotency-Key": key},
        )
    await call("POST", "/api/operations/", json={"operations": [item("WITHDRAW", key) for key in "efg"]})

    counted = "wallets_operations_total"
    assert await read(counted, type="DEPOSIT", outcome="applied") == 2
    assert await read(counted, type="DEPOSIT", outcome="replayed") == 1
    assert await read(counted, type="WITHDRAW", outcome="applied") == 2
    assert await read(counted, type="WITHDRAW", outcome="insufficient_funds") == 2
    assert await read(counted, type="other", outcome="invalid_operation_type") == 1
    assert await read("wallets_batch_size_sum", function="apply_operations") == 8
    assert await read("wallets_batch_size_count", function="apply_operations") == 5
    assert await read("wallets_database_call_duration_seconds_count", function="apply_operations") == 5


async def test_problems_are_counted_by_code(call: Call, wallet: str, owner_connection: Any, read: Read) -> None:
    await call("GET", "/nowhere")
    await call("POST", f"/api/wallets/{wallet}/operation", json={"operation_type": "WITHDRAW", "amount": 1})
    await owner_connection.execute("drop function wallet.get_balances(uuid[])")
    assert (await call("GET", f"/api/wallets/{wallet}/")).status == 500
    for code in ("not_found", "insufficient_funds", "internal_error"):
        assert await read("wallets_problems_total", code=code) == 1
    assert await read("wallets_database_call_failures_total", function="get_balances") == 1


async def test_a_burst_of_calls_leaves_most_of_the_pool_free(call: Call, wallet: str, read: Read) -> None:
    item = {"wallet_id": wallet, "operation_type": "DEPOSIT", "amount": 1}
    await asyncio.gather(*(call("POST", "/api/operations/", json={"operations": [item] * 50}) for _ in range(12)))
    used, idle = [await read("wallets_pool_connections", state=state) for state in ("used", "idle")]
    assert used <= 4 < used + idle


async def test_dashboard_and_alerts_use_metrics_that_exist(connect: Connect, call: Call, wallet: str) -> None:
    wire = await connect()
    await wire.send(post(f"/api/wallets/{wallet}/operation", b'{"operation_type":"DEPOSIT","amount":1}'))
    await wire.response()
    await call("GET", f"/api/wallets/{wallet}/")
    existing = {sample.name for family in await families(call) for sample in family.samples}
    # Prometheus adds the first; the others are counters without a sample until they count something.
    existing |= {"up", "wallets_problems_total", "wallets_database_call_failures_total"}
    alerts = yaml.safe_load((OPS / "alerts.yml").read_text())
    expressions = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    dashboard = json.loads((OPS / "grafana.json").read_text())
    expressions += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    used = {name for expression in expressions for name in re.findall(r"\b(?:wallets|process)_\w+|\bup\b", expression)}
    assert len(used) > 8
    assert used - existing == set()

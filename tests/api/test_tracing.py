"""Traces, as a collector gets them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.app import create_app
from service.server import Runner

from . import ReadLog

Spans = list[Any]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


async def listen(runner: web.BaseRunner) -> str:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.fixture
async def traced(database_url: str) -> AsyncIterator[tuple[aiohttp.ClientSession, Callable[[], Awaitable[Spans]]]]:
    """A client of a service that sends traces, and what ends that service and reads what it has sent."""
    got: Spans = []

    async def collect(request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest.FromString(await request.read())
        got.extend(span for resource in export.resource_spans for scope in resource.scope_spans for span in scope.spans)
        return web.Response()

    collector = web.Application()
    collector.router.add_post("/v1/traces", collect)
    collecting = web.AppRunner(collector)
    service = Runner(create_app(database_url, traces_to=await listen(collecting)))
    async with aiohttp.ClientSession(base_url=await listen(service)) as client:

        async def spans() -> Spans:
            await service.cleanup()
            return got

        yield client, spans
    await service.cleanup()
    await collecting.cleanup()


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


async def test_a_request_goes_on_with_its_callers_trace_and_a_call_is_linked_to_its_requests(
    traced: tuple[aiohttp.ClientSession, Callable[[], Awaitable[Spans]]],
    app_connection: asyncpg.Connection,
    read_log: ReadLog,
) -> None:
    client, spans = traced
    wallet = await app_connection.fetchval("select id from wallet.create_wallet()")
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "Idempotency-Key": "a-secret-key"}
    body = {"operation_type": "DEPOSIT", "amount": 77777}

    async def deposit() -> None:
        async with client.post(f"/api/wallets/{wallet}/operation", json=body, headers=headers) as response:
            assert response.status == 201

    await asyncio.gather(deposit(), deposit())
    async with client.get("/nowhere") as response:
        assert response.status == 404
    (line, *_) = [line for line in read_log() if line["event"] == "request" and line["status"] == 201]
    found = await spans()

    requests = [span for span in found if span.name == "POST /api/wallets/{wallet_id}/operation"]
    assert len(requests) == 2
    for span in requests:
        assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
        assert attributes(span) == {
            "http.request.method": "POST",
            "http.route": "/api/wallets/{wallet_id}/operation",
            "http.response.status_code": 201,
        }
    assert line["trace_id"] == TRACE
    calls = [span for span in found if span.name == "wallet.apply_operations"]
    assert {link.span_id for span in calls for link in span.links} == {span.span_id for span in requests}
    assert sum(attributes(span)["db.operation.batch.size"] for span in calls) == 2
    assert "GET unmatched" in {span.name for span in found}
    assert "secret" not in str(found)
    assert "77777" not in str(found)


async def test_a_failure_is_marked(
    traced: tuple[aiohttp.ClientSession, Callable[[], Awaitable[Spans]]], owner_connection: asyncpg.Connection
) -> None:
    client, spans = traced
    await owner_connection.execute("drop function wallet.list_wallets")
    async with client.get("/api/wallets/") as response:
        assert response.status == 500
    (span,) = await spans()
    assert span.status.code == span.status.STATUS_CODE_ERROR

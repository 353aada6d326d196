"""Traces, as a collector receives them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from conftest import serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from service.app import create_app

from . import ReadLog

Spans = list[Any]
Traced = tuple[aiohttp.ClientSession, Callable[[], Awaitable[Spans]]]
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


@pytest.fixture
async def traced(database_url: str) -> AsyncIterator[Traced]:
    """A client of a service that sends traces, and a function that stops the service and gives its spans."""
    received: Spans = []

    async def collect(request: web.Request) -> web.Response:
        export = ExportTraceServiceRequest.FromString(await request.read())
        received.extend(
            span for resource in export.resource_spans for scope in resource.scope_spans for span in scope.spans
        )
        return web.Response()

    collector = web.Application()
    collector.router.add_post("/v1/traces", collect)
    async with serving(collector) as traces_to:
        service = serving(create_app(database_url, traces_to=traces_to))
        async with aiohttp.ClientSession(base_url=await service.__aenter__()) as client:

            async def spans() -> Spans:
                await service.__aexit__(None, None, None)
                return received

            yield client, spans


def attributes(span: Any) -> dict[str, Any]:
    return {item.key: item.value.string_value or item.value.int_value for item in span.attributes}


async def test_a_trace_goes_from_the_caller_to_the_database_call(
    traced: Traced, app_connection: asyncpg.Connection, read_log: ReadLog
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


async def test_a_failed_request_is_marked(traced: Traced, owner_connection: asyncpg.Connection) -> None:
    client, spans = traced
    await owner_connection.execute("drop function wallet.list_wallets")
    async with client.get("/api/wallets/") as response:
        assert response.status == 500
    (span,) = await spans()
    assert span.status.code == span.status.STATUS_CODE_ERROR

"""The upper bound: aiohttp with the same requests and no database, only parsing and responding."""

import sys

import msgspec
from aiohttp import web

from service import eventloop, server


class _Body(msgspec.Struct):
    operation_type: str
    amount: int | str


_decode = msgspec.json.Decoder(_Body).decode
_encode = msgspec.json.Encoder().encode


async def _respond(request: web.Request) -> web.Response:
    body = _decode(await request.read())
    applied = {
        "operation_id": request.match_info["wallet_id"],
        "status": "SUCCESS",
        "operation_type": body.operation_type,
        "amount": str(body.amount),
        "new_balance": "100",
    }
    return web.Response(body=_encode(applied), status=201, content_type="application/json")


async def _serve(port: int) -> None:
    app = web.Application()
    app.router.add_post("/api/wallets/{wallet_id}/operation", _respond)
    with server.stop_on_signals() as stopped:
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await stopped.wait()
        await runner.cleanup()


if __name__ == "__main__":
    eventloop.run(_serve(int(sys.argv[1])))

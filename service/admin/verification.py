"""Verifying a wallet: what does not agree with its operations."""

from aiohttp import web

from service.admin.session import ADMIN
from service.admin.wallet import WALLET, find_wallet, redirect_to_wallet, render_wallet
from service.database import admin_calls
from service.database.pool import POOL


def setup(app: web.Application) -> None:
    """Adds the button's target."""
    resource = app.router.add_resource(f"{WALLET}/verify", name="verify")
    resource.add_route("GET", redirect_to_wallet)
    resource.add_route("POST", verify)


async def verify(request: web.Request) -> web.Response:
    """Recomputes the wallet from its operations and shows the findings."""
    wallet = await find_wallet(request)
    findings = await admin_calls.verify_wallet(request.config_dict[POOL], request[ADMIN], wallet["id"])
    return await render_wallet(request, wallet, findings=findings)

"""The totals per currency, which are kept for a while."""

import re

from . import Browser
from .conftest import CreateWallet


async def test_pages_show_the_totals(signed_in: Browser, create_wallet: CreateWallet) -> None:
    for currency, amount in (("KWD", 1234567), ("JPY", 5000), ("JPY", 1)):
        await create_wallet(currency=currency, balance=amount)
    for path in ("/admin/wallets/", "/admin/"):
        text = re.sub(r"<[^>]*>", "", (await signed_in.get(path)).text).replace("&nbsp;", " ")
        assert "1,234.567 KWD" in text
        assert "5,001 JPY" in text
        assert "2 wallets" in text

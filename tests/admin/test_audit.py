"""The audit log: who did what to which wallet, and why."""

import re

from ledger import Database

from . import Browser
from .conftest import Open

LOG = "/admin/audit/"
RECORD = "insert into wallet.audit (admin, action, outcome, detail) values"


async def test_an_entry_says_who_did_what_and_why(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    path = f"/admin/wallets/{wallet}/operate"
    typed = {"operation_type": "DEPOSIT", "amount": "1 234.5", "reason": "<i>ticket</i>", "step": "confirm"}
    await signed_in.send(path, on=path, headers=None, **typed)
    text = (await signed_in.get(LOG)).text
    row = re.sub(r"\s*<[^>]*>\s*", "|", text[text.index("<tbody>") : text.index("</tr>", text.index("<tbody>"))])
    cells = [cell for cell in row.replace("…", "").split("|") if cell]
    assert cells[1:] == [
        *("alice", "127.0.0.1", "Deposit", str(wallet)[:8]),
        *("Amount:", "1,234.50 RUB", "Reason:", "&lt;i&gt;ticket&lt;/i&gt;", "Operation:", cells[-2], "Done"),
    ]


async def test_only_an_unknown_outcome_is_not_shown_as_recorded(
    signed_in: Browser, open_browser: Open, database: Database
) -> None:
    await open_browser().sign_in("mallory", "wrong")
    await database.owner.execute(f"{RECORD} ('ann', 'teleport', 'done', '{{\"planet\": \"Mars\"}}')")
    text = (await signed_in.get(LOG)).text
    for shown in ("mallory", ">Failed</span>", ">teleport<", "planet: <bdi>Mars"):
        assert shown in text
    await database.owner.execute(f"{RECORD} ('ann', 'deposit', 'WA999', '{{}}')")
    assert (await signed_in.get(LOG)).status == 500


async def test_the_log_has_pages(signed_in: Browser, database: Database) -> None:
    await database.app.execute("select count(wallet.create_admin('admin' || n, 'hash')) from generate_series(1, 60) n")
    first = (await signed_in.get(LOG)).text
    [older] = re.findall(r'href="([^"]*)" rel="next"', first)
    second = (await signed_in.get(older)).text
    [newer] = re.findall(r'href="([^"]*)" rel="prev"', second)
    texts = (first, second, (await signed_in.get(newer)).text)
    assert [text.count("<time") for text in texts] == [50, 62 - 50, 50]

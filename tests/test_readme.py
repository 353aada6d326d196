"""The documentation: its examples print what it shows, its links lead somewhere, and its tables are complete."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml

from chaos import scenarios
from service import errors
from service.metrics import Metrics

ROOT = Path(__file__).parent.parent
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for pattern in ("*.md", "docs/*.md", "db/*.md")
    for path in sorted(ROOT.glob(pattern))
}
# Commands, and what they print.
EXAMPLE = re.compile(r"^```sh\n((?:(?!```).*\n)+)```\n\n```(?:json|text)\n((?:(?!```).*\n)+)```", re.MULTILINE)
EXAMPLES = {name: found for name, text in DOCUMENTS.items() if (found := EXAMPLE.findall(text))}
VARIABLES = re.findall(r"^(?:# )?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
NEW_EVERY_TIME = {
    "a key": re.compile(r"wk_[\w-]{43}"),
    "a time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"),
}
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """The service, started as the README says but on a free port and in a directory of its own; its environment."""
    # An empty variable counts as unset, and takes precedence over a developer's own .env.
    environment = os.environ | dict.fromkeys([*VARIABLES, "ADMIN_PASSWORD"], "")
    environment |= {"DATA_DIR": str(tmp_path_factory.mktemp("service") / "data"), "PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "serve"),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    greeting = (await asyncio.wait_for(process.stderr.readline(), 60)).decode()
    found = re.search(r"http://\S+?:\d+", greeting)
    assert found, greeting
    yield found[0], environment
    process.terminate()
    await process.wait()


def comparable(outputs: list[str]) -> list[str]:
    """The outputs without what is new every time; equal ids stay equal."""
    ids: dict[str, str] = {}
    text = "\0".join(outputs)
    for word, pattern in NEW_EVERY_TIME.items():
        text = pattern.sub(word, text)
    text = UUID.sub(lambda found: ids.setdefault(found[0], f"id {len(ids) + 1}"), text)
    return [output.strip("\n") for output in text.split("\0")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("name", EXAMPLES)
async def test_examples_print_what_is_shown(name: str, service: tuple[str, dict[str, str]]) -> None:
    address, environment = service
    commands = "printf '\\0'\n".join(command for command, _ in EXAMPLES[name])
    commands = commands.replace("http://127.0.0.1:8000", address)
    commands = commands.replace(".venv/bin/wallets", f"'{sys.executable}' -m service")
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", commands),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert comparable(printed.decode().split("\0")) == comparable([output for _, output in EXAMPLES[name]])


def anchors(text: str) -> set[str]:
    """What links can lead to within a document, as GitHub names its headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    broken = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", DOCUMENTS[name]):
        path = (ROOT / name).parent / target if target else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
            broken.append(f"{target}#{anchor}")
    assert broken == []


def test_errors_lists_the_catalogue() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \| (\w*) ?\| .+ \|$", DOCUMENTS["docs/errors.md"], re.MULTILINE)
    assert rows == [(kind.code, str(int(kind.status)), kind.sqlstate or "") for kind in errors.CATALOGUE]


def test_monitoring_lists_every_metric() -> None:
    collected = {f"{m.name}{'_total' if m.type == 'counter' else ''}" for m in Metrics().registry.collect()}
    listed = re.findall(r"^\| `(wallets_\w+)` \|", DOCUMENTS["docs/monitoring.md"], re.MULTILINE)
    assert set(listed) == {name for name in collected if name.startswith("wallets_")}


def test_monitoring_lists_every_alert() -> None:
    rules = yaml.safe_load((ROOT / "ops/alerts.yml").read_text())["groups"][0]["rules"]
    rows = re.findall(r"^\| `(Wallets\w+)` \| (\w+) \|", DOCUMENTS["docs/monitoring.md"], re.MULTILINE)
    assert rows == [(rule["alert"], rule["labels"]["severity"]) for rule in rules]


async def test_operations_lists_every_command() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "--help"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    section = DOCUMENTS["docs/operations.md"].partition("## Commands")[2].partition("\n## ")[0]
    listed = re.findall(r"`wallets (\w+)", "".join(re.findall(r"^\|.*?\|", section, re.MULTILINE)))
    assert listed == re.findall(r"^    (\w+)\b", printed.decode(), re.MULTILINE)


def test_operations_lists_every_variable() -> None:
    section = DOCUMENTS["docs/operations.md"].partition("## Configuration")[2].partition("\n## ")[0]
    listed = re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\|.*?\|", section, re.MULTILINE)))
    assert sorted(listed) == sorted(VARIABLES)


def test_performance_has_the_ratios_of_the_last_run() -> None:
    ratios = json.loads((ROOT / "bench/results.json").read_text())["ratios"]
    shown = re.findall(r"\| (\d+\.\d\d) \|$", DOCUMENTS["docs/performance.md"], re.MULTILINE)
    assert shown == [f"{row['ratio']:.2f}" for row in ratios]


def test_architecture_lays_out_what_exists() -> None:
    layout = DOCUMENTS["docs/architecture.md"].partition("## Layout")[2]
    paths = re.findall(r"^([\w/]+(?:/|\.py)) ", layout, re.MULTILINE)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_fault_scenario_is_a_guarantee() -> None:
    promises, _, run = DOCUMENTS["docs/guarantees.md"].partition("## The last run")
    assert set(re.findall(r"^\| `(\w+)` \|", run, re.MULTILINE)) == set(scenarios.ALL)
    shown = [row.rsplit("|", 2)[1] for row in promises.splitlines() if row.startswith("| ")]
    assert set(re.findall(r"`(\w+)`", " ".join(shown))) == set(scenarios.ALL)

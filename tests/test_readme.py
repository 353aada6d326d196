"""The README: every command that it shows, and what it says the command prints. What it and its companions refer to."""

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chaos import scenarios

ROOT = Path(__file__).parent.parent
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
KEY = re.compile(r"wk_[\w-]{43}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """The service, started as the README says but on a free port and a directory of its own; and its environment."""
    # Empty counts as unset, and wins over a developer's own .env.
    external = ("DATABASE_URL", *(f"POSTGRES_{part}" for part in ("HOST", "PORT", "DB", "USER", "PASSWORD")))
    environment = (
        os.environ
        | dict.fromkeys(external, "")
        | {
            "HOST": "",
            "WORKERS": "",
            "LOG_LEVEL": "",
            "TLS_PROXY": "",
            "AUTH": "",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "",
            "ADMIN_PASSWORD": "",
        }
    )
    environment |= {"DATA_DIR": str(tmp_path / "data"), "PORT": "0"}
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


def examples() -> list[tuple[str, str]]:
    """The commands of the README's console blocks, each with its output."""
    blocks = re.findall(r"^```console\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    return [
        (command, output.strip("\n"))
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def anonymous(text: str) -> str:
    """A text without what is new every time."""
    return KEY.sub("a key", TIME.sub("a time", text))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_its_examples_print_what_it_says(service: tuple[str, dict[str, str]]) -> None:
    address, environment = service
    actual_id: dict[str, str] = {}
    for command, expected in examples():
        for written, actual in actual_id.items():
            command = command.replace(written, actual)  # noqa: PLW2901
        command = command.replace("http://127.0.0.1:8000", address)  # noqa: PLW2901
        command = command.replace(".venv/bin/wallets", f"'{sys.executable}' -m service")  # noqa: PLW2901
        process = await asyncio.create_subprocess_shell(
            command,
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed = (await process.communicate())[0].decode().strip("\n")
        # Ids are new every time: where the README has the same one twice, so must what was printed.
        for written, actual in zip(UUID.findall(expected), UUID.findall(printed), strict=True):
            assert actual_id.setdefault(written, actual) == actual, command
        for written, actual in actual_id.items():
            printed = printed.replace(actual, written)
        assert anonymous(printed) == anonymous(expected), command
    assert len(actual_id) > 1, "the README has no examples"


@pytest.mark.parametrize("name", ["README.md", "SECURITY.md", "docs/guarantees.md"])
def test_the_files_that_it_links_to_exist(name: str) -> None:
    file = ROOT / name
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", file.read_text())
    assert links
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_every_scenario_is_among_the_guarantees_and_has_been_run() -> None:
    promises, _, run = (ROOT / "docs/guarantees.md").read_text().partition("## The last run")
    assert set(re.findall(r"^\| `(\w+)` \|", run, re.MULTILINE)) == set(scenarios.ALL)
    shown = [row.rsplit("|", 2)[1] for row in promises.splitlines() if row.startswith("| ")]
    assert set(re.findall(r"`(\w+)`", " ".join(shown))) == set(scenarios.ALL)

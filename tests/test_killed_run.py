"""A run of tests that is killed leaves nothing behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

TESTS = Path(__file__).parent
DEADLINE = 90.0

HANGS = """
import pathlib, time

def test_it(server_url, server_directory):
    pathlib.Path("found.tmp").write_text(str(server_directory))
    pathlib.Path("found.tmp").rename("found")
    time.sleep(1000)
"""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="such a run creates no directory")
async def test_a_killed_run_leaves_no_directory(tmp_path: Path, server_directory: Path) -> None:
    leftover = server_directory.with_name(f"wallets-test-server-{uuid4().hex}")
    (leftover / "postgres").mkdir(parents=True)
    (tmp_path / "test_hangs.py").write_text(HANGS)
    found = tmp_path / "found"
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-c", TESTS.parent / "pyproject.toml", "-p", "conftest", "-n", "1"),
        tmp_path / "test_hangs.py",
        cwd=tmp_path,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST")}
        | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        await until(found.exists)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        await run.wait()
    directory = Path(found.read_text())
    assert directory.parent == server_directory.parent
    await until(lambda: not directory.exists())
    assert not leftover.exists()
    assert server_directory.exists()  # noqa: ASYNC240

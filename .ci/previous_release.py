"""A pytest plugin: the tests of the previous release, with its code, on databases that this tree has migrated.

A release is deployed to the database first, and the services of the previous one go on until they are replaced.
"""

import asyncio
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Replaces the deployment of the previous release, which is in the working directory, by ours."""
    from service import deploy  # noqa: PLC0415 -- only now is the working directory in sys.path

    assert not Path(deploy.__file__).is_relative_to(ROOT)
    deploy.migrate = migrate
    # A service of the previous release logs that the database has other functions, and goes on.
    deploy.difference = deploy.drift = no_drift


async def migrate(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "migrate"), cwd=ROOT, env=os.environ | {"DATABASE_URL": url}
    )
    assert await process.wait() == 0


async def no_drift(_: object) -> None:
    return None

"""`python -m chaos`: runs the scenarios, audits after each, prints a table, and exits with 1 on any finding."""

import argparse
import sys
import time
from typing import NamedTuple

from chaos.audit import DOUBLED, LOST, audit
from chaos.scenarios import ALL, Scenario, SkippedError
from chaos.world import World, new_directory
from service import eventloop

_HEAD = (
    f"{'':<16}{'faults':>8}{'requested':>11}{'applied':>10}{'rejected':>9}{'shed':>9}"
    f"{'lost':>6}{'doubled':>9}{'other':>7}{'s':>5}"
)


class Row(NamedTuple):
    """The result of a scenario."""

    world: World
    findings: dict[str, int]
    seconds: float


async def main() -> None:
    """Runs the scenarios of the command line."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=f"of {', '.join(ALL)} (default: all)")
    parser.add_argument("--seconds", type=float, default=10, help="the approximate duration of each")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(ALL):
        parser.error(f"unknown scenario: {', '.join(sorted(unknown))}")
    wanted = options.scenarios or list(ALL)

    print(_HEAD, flush=True)
    found = 0
    for name in wanted:
        try:
            row = await _run(ALL[name], options.seconds)
        except SkippedError as exc:
            print(f"{name:<16} skipped: {exc}", flush=True)
            continue
        found += _print(name, row)
    sys.exit(1 if found else 0)


async def _run(scenario: Scenario, seconds: float) -> Row:
    began_at = time.monotonic()
    world = World(new_directory(), seconds)
    try:
        await scenario(world)
        findings = await audit(world)
    finally:
        await world.stop()
    return Row(world, findings | world.findings, time.monotonic() - began_at)


def _print(name: str, row: Row) -> int:
    journal, findings = row.world.journal, row.findings
    others = {what: count for what, count in findings.items() if count and what not in (LOST, DOUBLED)}
    print(
        f"{name:<16}{row.world.faults:>8,}{len(journal.requested):>11,}{len(journal.acknowledged):>10,}"
        f"{len(journal.outcomes) - len(journal.acknowledged):>9,}{len(journal.shed):>9,}"
        f"{findings[LOST]:>6,}{findings[DOUBLED]:>9,}{sum(others.values()):>7,}{row.seconds:>5.0f}"
    )
    for remark in (*row.world.remarks, *(f"FOUND {what}: {count}" for what, count in others.items())):
        print(f"{'':<16}  {remark}")
    sys.stdout.flush()
    return sum(findings.values())


if __name__ == "__main__":
    eventloop.run(main())

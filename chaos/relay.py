"""`python -m chaos.relay SOCKET DELAY`: a slow network in a process of its own, for when this one has enough to do."""

import asyncio
import sys

from chaos.world import Network


async def _main(socket_path: str, delay: float) -> None:
    network = Network(socket_path)
    network.delay = delay
    print(await network.start(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2])))

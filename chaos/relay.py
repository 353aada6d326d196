"""`python -m chaos.relay SOCKET`: a slow network in a process of its own.

Prints its port; each line of its standard input sets the delay, in seconds.
"""

import asyncio
import sys

from chaos.world import Network


async def _main(socket_path: str) -> None:
    network = Network(socket_path)
    print(await network.start(), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        network.delay = float(line)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))

"""`python -m tests.faults --count 1000 --minutes 60`: the long form of the fault bench."""

import argparse
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Footage
from tests.faults import scenes
from tests.faults.bench import Bench, table
from tests.faults.world import World
from tests.leftovers import Watch

LULL = 45.0
"""Seconds without faults at the end: three rounds of each clip, whose visits must all be decided."""


def main() -> int:
    """Run it and print the table; 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="faults (default 1000)")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most (default 60)")
    parser.add_argument("--pause", type=float, default=2.5, help="seconds between two faults, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, help="where to write the daemon's log")
    given = parser.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="camwatch-faults-") as folder, watch.marked():
        faces, clips = scenes.make(Path(folder), Footage.installed())
        world = World(Path(folder), faces, clips, port)
        try:
            bench = Bench(world, seed=given.seed, pause=given.pause, say=say)
            result = bench.run(given.count, seconds=given.minutes * 60, lull=LULL)
        finally:
            if given.log:
                given.log.write_text(world.daemon.log)
            world.close()
    print(table(result))
    left = watch.left()
    print(f"left behind after all: {', '.join(left) or 'nothing'}; seed {given.seed}")
    for wrong in (*result.audited.wrong_names, *result.audited.missed):
        print(f"  {wrong}")
    for slow in result.slow:
        print(f"  slow: {slow.fault.name} at {slow.where}: {slow.recovered}")
    return int(not result.audited.clean or bool(result.slow) or bool(left) or bool(result.left))


if __name__ == "__main__":
    sys.exit(main())

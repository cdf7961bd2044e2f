"""`python -m tests.faults --count 1000 --minutes 45`: the long form of the fault bench."""

import argparse
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import Footage
from tests.faults import scenes
from tests.faults.bench import Bench
from tests.faults.kinds import FAULTS
from tests.faults.table import table
from tests.faults.world import World
from tests.leftovers import Watch
from tests.rigs.small_disk import SMALL_DISK_MISSING

BEGIN, END = "<!-- faults -->", "<!-- end -->"
LULL = 45.0
"""Seconds without faults at the end: three rounds of each clip, whose visits must all be decided."""
CALM = 21.0
"""Seconds of a calm window: a round and a half."""


def main() -> int:
    """Run it and print the table; 1 where anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="faults (default 1000)")
    parser.add_argument("--minutes", type=float, default=45.0, help="at most (default 45)")
    parser.add_argument("--pause", type=float, default=1.2, help="seconds between two faults, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", metavar="NAME", help="only this kind of fault; may be repeated")
    parser.add_argument("--log", type=Path, help="where to write the daemon's log")
    parser.add_argument("--page", type=Path, help="a page into which the table goes, between its marks")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if not given.only or fault.name in given.only]
    if not faults:
        parser.error(f"no such fault; there are: {', '.join(fault.name for fault in FAULTS)}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    if SMALL_DISK_MISSING:
        say(f"{SMALL_DISK_MISSING}: no fault of a full disk is done")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is ended in order
    watch = Watch()
    with tempfile.TemporaryDirectory(prefix="camwatch-faults-") as folder, watch.marked():
        faces, clips = scenes.make(Path(folder), Footage.installed(), versions=True)
        world = World(Path(folder), faces, clips, port, disks=SMALL_DISK_MISSING is None)
        try:
            bench = Bench(world, seed=given.seed, pause=given.pause, say=say, faults=faults, calm=CALM)
            result = bench.run(given.count, seconds=given.minutes * 60, lull=LULL)
        finally:
            if given.log:
                given.log.write_text(world.daemon.log)
            world.close()
    print(table(result))
    if given.page:
        _fill(given.page, f"Seed {given.seed}, {(time.monotonic() - started) / 60:.0f} minutes.\n\n{table(result)}")
    left = watch.left()
    print(f"left behind after all: {', '.join(left) or 'nothing'}; seed {given.seed}")
    for wrong in (*result.audited.wrong_names, *result.audited.missed):
        print(f"  {wrong}")
    for slow in result.slow:
        print(f"  slow: {slow.fault.name} at {slow.where}, from {slow.begin_utc:.1f}: {slow.recovered}")
    return int(not result.good or bool(left))


def _fill(page: Path, text: str) -> None:
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())

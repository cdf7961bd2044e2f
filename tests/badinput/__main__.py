"""`python -m tests.badinput --count 100000 --seed 1`: bad input of every kind, and one table of what came of it."""

import argparse
import sys
import time
from pathlib import Path

from tests.badinput.bench import run_all, table
from tests.badinput.kinds import every_kind


def main() -> int:
    """Run it and print the table; 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.badinput", description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all (default 100000)")
    parser.add_argument("--seed", type=int, default=1, help="draws the inputs (default 1)")
    parser.add_argument("--only", default="", help="kinds, with commas between; all by default")
    parser.add_argument("--keep", type=Path, help="folder for the inputs that found something")
    given = parser.parse_args()
    kinds = every_kind()
    only = {name.strip() for name in given.only.split(",") if name.strip()}
    unknown = only - {kind.name for kind in kinds}
    if unknown:
        parser.error(f"no such kind: {', '.join(sorted(unknown))}; there are {', '.join(kind.name for kind in kinds)}")
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:7.1f} s  {line}", file=sys.stderr, flush=True)

    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
    chosen = [kind for kind in kinds if not only or kind.name in only]
    tallies = run_all(chosen, seed=given.seed, total=given.count, keep=given.keep, say=say)
    print(table(tallies))
    print(f"\nseed {given.seed}, {time.monotonic() - started:.0f} s")
    return int(any(tally.findings for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())

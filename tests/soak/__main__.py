"""`python -m tests.soak --minutes 60`: cameras, visits and ordinary trouble for an hour, and what grew."""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.conftest import Footage
from tests.faults import scenes
from tests.faults.world import World
from tests.rigs.ports import free_port
from tests.soak.samples import Sample, take
from tests.soak.schedule import Trouble
from tests.soak.slopes import lives, slopes, table

LOOK = 10.0
"""Seconds between two samples."""
BETWEEN = 4.0
"""Seconds between the last deeds: who lost the broker with one must be back for the next."""


def main() -> int:
    """Run it and print the table; 1 where an event was lost or a stop went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--every", type=float, default=20.0, help="seconds between two things that happen")
    parser.add_argument("--runtime", default="auto", help="engine.runtime")
    parser.add_argument("--json", type=Path, help="write all samples here")
    parser.add_argument("--log", type=Path, help="write the daemon's log here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="camwatch-soak-") as name:
        folder, footage = Path(name), Footage.installed()
        faces, clips = scenes.make(folder, footage, versions=False)
        photos = [footage.path("single_face.jpg")]
        world = World(folder, faces, clips, free_port(), engine={"runtime": given.runtime})
        try:
            samples, done = _run(world, Trouble(world, photos), given.minutes * 60, given.every)
            waiting = world.daemon.metrics()["camwatch_outbox_events"]
            code, took = world.daemon.stop()
            world.remember()
            decided, arrived = {e.event_id for e in world.decided()}, {e.event_id for e in world.arrived()}
        finally:
            if given.log:
                given.log.write_text(world.daemon.log)
            world.close()
    if given.json:
        given.json.write_text(json.dumps([asdict(sample) for sample in samples]))
    print(table(slopes(samples)))
    print(f"\n{given.minutes:g} minutes, {len(samples)} samples; things that happened: {done}")
    print("processes: " + ", ".join(f"{role} {count}" for role, count in lives(samples).items()))
    lost = decided - arrived
    print(
        f"events decided {len(decided)}, not arrived before the stop {len(lost)}, waiting then {waiting:g}; "
        f"stopped in {took:.1f} s with status {code}"
    )
    return int(bool(lost) or code != 0)


def _run(world: World, trouble: Trouble, seconds: float, every: float) -> tuple[list[Sample], int]:
    began = time.monotonic()
    samples, done, next_deed, next_look = list[Sample](), 0, began + every, began
    while (now := time.monotonic()) < began + seconds:
        if now >= next_deed:
            print(f"{now - began:7.0f} s  {trouble.next()}", file=sys.stderr, flush=True)
            done, next_deed = done + 1, next_deed + every
        if now >= next_look:
            next_look += LOOK
            waiting = world.daemon.metrics().get("camwatch_outbox_events", float("nan"))
            samples.append(take(world.daemon.pid, world.state, began, outbox=waiting))
        time.sleep(0.2)
    while done % 8:  # what was broken last is mended, so that the stop is an ordinary one
        time.sleep(BETWEEN)
        trouble.next()
        done += 1
    time.sleep(5.0)
    return samples, done


if __name__ == "__main__":
    sys.exit(main())

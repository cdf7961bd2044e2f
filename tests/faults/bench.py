"""The schedule, the run and the table: `python -m tests.faults`."""

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from tests.faults.audit import Audit, audit
from tests.faults.kinds import FAULTS, Fault, Figures, Injected
from tests.faults.world import World

TURN = 0.25
"""Seconds between two looks at the daemon."""
SETTLED = 3
"""Frames that a camera must have brought since the cause went away."""
GIVE_UP = 60.0
"""Seconds after which a fault counts as one that nothing recovered from."""
ALLOWED = 15.0
"""Seconds that a recovery may take."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run gave.

    Attributes:
        injected: Every fault in order.
        audited: What the auditor found.
        left: Processes, segments and files that were there after the end and should not be.
        log: Of the daemon.
    """

    injected: tuple[Injected, ...]
    audited: Audit
    left: tuple[str, ...]
    log: str

    @property
    def slow(self) -> list[Injected]:
        """Faults from which the recovery took too long, or never came."""
        return [one for one in self.injected if one.recovered is None or one.recovered > ALLOWED]


class Bench:
    """Breaks a world on a schedule; faults of different targets overlap.

    Args:
        world: What is broken.
        seed: The same seed draws the same faults.
        pause: Seconds between two faults, on average.
        say: Takes a line for whoever watches.
        faults: The kinds to draw from.
        each_once: Every kind once, in an order that is drawn, in place of any number of each.
    """

    def __init__(
        self,
        world: World,
        *,
        seed: int,
        pause: float,
        say: Callable[[str], None],
        faults: Sequence[Fault] = FAULTS,
        each_once: bool = False,
    ) -> None:
        """Nothing is broken yet."""
        self._world = world
        self._dice = random.Random(seed)
        self._pause = pause
        self._say = say
        self._faults = faults
        self._order = self._dice.sample(faults, len(faults)) if each_once else []
        self._open: dict[str, Injected] = {}
        self._done: list[Injected] = []

    def run(self, count: int, *, seconds: float, lull: float) -> Result:
        """Do so many faults, for so many seconds at most, wait until all is well, then for a lull, stop, audit."""
        deadline = time.monotonic() + seconds
        next_fault = time.monotonic()
        number = 0
        while time.monotonic() < deadline and (number < count or self._open):
            now = time.monotonic()
            if number < count and now >= next_fault and self._inject(now):
                number += 1
                next_fault = now + self._dice.uniform(0.5, 1.5) * self._pause
            self._mend(now)
            self._watch(now)
            time.sleep(TURN)
        for one in list(self._open.values()):
            if one.mended is None:
                one.undo()
        self._done += self._open.values()
        time.sleep(lull)
        return self._finish()

    def _inject(self, now: float) -> bool:
        fault = self._order[-1] if self._order else self._drawn()
        where = fault.target
        if fault.target == "camera":
            where = self._dice.choice(sorted(self._world.cameras))
        elif fault.target == "server":
            where = self._dice.choice(sorted(self._world.servers))
        if not self._is_free(where):
            return False
        if self._order:
            self._order.pop()
        self._say(f"{fault.name}: {where}")
        until = now + self._dice.uniform(*fault.lasts)
        begin_utc = time.time()
        undo = fault.do(self._world, where, self._dice)
        self._open[where] = Injected(fault, where, now, begin_utc, undo, until)
        return True

    def _drawn(self) -> Fault:
        return self._dice.choices(self._faults, [fault.weight for fault in self._faults])[0]

    def _is_free(self, where: str) -> bool:
        """One fault at a time for each target, and a camera is not broken beside its server."""
        if "all" in self._open or where in self._open:
            return False
        if where == "all":
            return not self._open
        cameras = self._world.cameras
        if where in self._world.servers:
            return not any(camera in self._open for camera in cameras if cameras[camera].server == where)
        return where not in cameras or cameras[where].server not in self._open

    def _mend(self, now: float) -> None:
        for one in self._open.values():
            if one.mended is None and now >= one.until:
                one.undo()
                one.mended, one.mended_figures = time.monotonic(), self._figures()

    def _watch(self, now: float) -> None:
        if not self._open:
            return
        figures = self._figures()
        for where, one in list(self._open.items()):
            if one.mended is None:
                continue
            if self._is_well(one, figures):
                one.recovered = now - one.mended
            elif now - one.mended < GIVE_UP:
                continue
            else:
                self._say(f"NOT RECOVERED: {one.fault.name}: {where}")
            one.end_utc = time.time()
            self._done.append(self._open.pop(where))

    def _is_well(self, one: Injected, figures: Figures) -> bool:
        if not figures:
            return False
        target, cameras = one.fault.target, self._world.cameras
        broker = figures.get("camwatch_mqtt_connected") == 1 and figures.get("camwatch_outbox_events") == 0
        if target == "broker":
            return broker
        if target in ("gallery", "config"):
            return figures.get("camwatch_gallery_people", 0) > 0
        concerned = list(cameras)
        if target == "camera":
            concerned = [one.where]
        elif target == "server":
            concerned = [name for name in cameras if cameras[name].server == one.where]
        brings = all(self._brings(one, figures, camera) for camera in concerned if self._is_undisturbed(one, camera))
        return brings and (target != "all" or broker)

    def _is_undisturbed(self, one: Injected, camera: str) -> bool:
        """Whether no other fault keeps this camera from delivering."""
        others = {camera, self._world.cameras[camera].server} - {one.where}
        return not any(where in self._open for where in others)

    def _brings(self, one: Injected, figures: Figures, camera: str) -> bool:
        if figures.get(f'camwatch_camera_up{{camera="{camera}"}}') != 1:
            return False
        before, now = _looked_at(one.mended_figures, camera), _looked_at(figures, camera)
        return now >= (before if now >= before else 0) + SETTLED

    def _figures(self) -> Figures:
        try:
            return self._world.daemon.metrics()
        except (OSError, ValueError):
            return {}

    def _finish(self) -> Result:
        world = self._world
        children = world.processes()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._figures().get("camwatch_outbox_events") != 0:
            time.sleep(TURN)
        code, took = world.daemon.stop()
        ended = time.time()
        time.sleep(1.0)
        _, alive = psutil.wait_procs(children, timeout=5)
        left = [f"process {process.pid}" for process in alive]
        left += [str(file) for file in world.state.rglob("*.new")]
        if code != 0 or took > 5:
            left.append(f"the stop took {took:.1f} s and ended with {code}")
        spans = [(one.begin_utc, one.end_utc or time.time()) for one in self._done]
        people = {name: camera.clip.person for name, camera in world.cameras.items()}
        spans.append((ended - 3.0, time.time()))  # the stop comes before a decision
        audited = audit(world.decided(), world.arrived(), world.named(), world.stays(), people, spans)
        return Result(tuple(self._done), audited, tuple(left), world.daemon.log)


def _looked_at(figures: Figures, camera: str) -> float:
    """Frames of a camera that came through: analysed, or nothing moved in them."""
    return sum(
        figures.get(f'camwatch_frames_total{{camera="{camera}",outcome="{outcome}"}}', 0.0)
        for outcome in ("analyzed", "idle")
    )


def table(result: Result) -> str:
    """The result for people, as Markdown."""
    by_name: dict[str, list[Injected]] = defaultdict(list)
    for one in result.injected:
        by_name[one.fault.name].append(one)
    lines = [
        "| fault | times | recovery, median s | worst s | not recovered |",
        "|---|---|---|---|---|",
    ]
    for name, done in sorted(by_name.items()):
        times = [one.recovered for one in done if one.recovered is not None]
        median, worst = (f"{statistics.median(times):.1f}", f"{max(times):.1f}") if times else ("-", "-")
        lines.append(f"| {name} | {len(done)} | {median} | {worst} | {len(done) - len(times)} |")
    found = result.audited
    lines += [
        "",
        f"{len(result.injected)} faults; events decided {found.decided}, arrived {found.arrived}, lost "
        f"{len(found.lost)}, never on disk {len(found.invented)}, repeated under the same id {found.again}, under two "
        f"ids {len(found.doubled)}, out of order for a camera {len(found.disorder)}, wrong names "
        f"{len(found.wrong_names)}; visits that no fault came near {found.undisturbed}, without a decision "
        f"{len(found.missed)}; recoveries of more than {ALLOWED:g} s {len(result.slow)}; left behind: "
        f"{', '.join(result.left) or 'nothing'}.",
    ]
    return "\n".join(lines)

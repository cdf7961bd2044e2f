"""The schedule and the run: `python -m tests.faults`."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

from tests.faults.audit import Found, Trouble, audit
from tests.faults.fault import Cure, Fault, Figures, Injected
from tests.faults.kinds import FAULTS
from tests.faults.recovery import IN_THE_WAY, hidden, is_well
from tests.faults.table import Result
from tests.faults.world import World

TURN = 0.25
"""Seconds between two looks at the daemon."""
GIVE_UP = 60.0
"""Seconds after which a fault counts as one that nothing recovered from."""
AHEAD = 30
"""How many of the next faults are looked at for one whose target is free."""
CALM_EVERY = 150.0
"""Seconds between two calm windows, at least."""


class Bench:
    """Breaks a world on a schedule; faults of different targets overlap.

    The seed decides which faults there are, and roughly their order: the next one whose target is free is done. One
    that wants everything else to be well waits at the head of the schedule, and everybody with it, until that is so;
    then it is done, and the next ones of its like after it. Now and then there is a calm window before them, whose
    visits no fault hides.

    Args:
        world: What is broken.
        seed: The same seed draws the same faults.
        pause: Seconds between two faults, on average.
        say: Takes a line for whoever watches.
        faults: The kinds to draw from.
        each_once: Every kind once, in an order that is drawn, in place of any number of each.
        calm: Seconds of a calm window.
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
        calm: float = 0.0,
    ) -> None:
        """Nothing is broken yet."""
        self._world = world
        self._dice = random.Random(seed)
        self._pause = pause
        self._say = say
        self._faults = [fault for fault in faults if world.state_disk is not None or not fault.needs_disks]
        self._each_once = each_once
        self._calm = calm
        self._calm_until = 0.0
        self._next_calm = time.monotonic() + CALM_EVERY
        self._plan: list[Fault] = []
        self._waits = False
        self._open: dict[str, Injected] = {}
        self._done: list[Injected] = []

    def run(self, count: int, *, seconds: float, lull: float) -> Result:
        """Do so many faults, wait until all is well, then for a lull, stop, audit.

        Args:
            count: How many faults.
            seconds: After so long, less the time that recoveries may need, no further fault is done.
            lull: Seconds without faults at the end.
        """
        last = time.monotonic() + seconds - GIVE_UP
        self._plan = self._drawn(count)
        next_fault = time.monotonic()
        while self._open or (self._plan and time.monotonic() < last):
            now = time.monotonic()
            if now >= next_fault and now < last and self._inject(now):
                next_fault = now + self._dice.uniform(0.5, 1.5) * self._pause
            self._mend(now)
            self._watch()
            time.sleep(TURN)
        time.sleep(lull)
        return self._finish()

    def _drawn(self, count: int) -> list[Fault]:
        if self._each_once:
            return self._dice.sample(self._faults, len(self._faults))
        return self._dice.choices(self._faults, [fault.weight for fault in self._faults], k=count)

    def _inject(self, now: float) -> bool:
        """Do the next fault that can be done; False where none can be."""
        if now < self._calm_until:
            return False
        ahead = self._plan[:AHEAD]
        whole = [fault for fault in ahead if fault.target == "all"]
        self._waits = bool(whole) and (self._waits or ahead[0].target == "all")
        for index, fault in enumerate(ahead):
            if self._waits and fault.target != "all":
                continue
            where = self._place(fault)
            if where is None:
                continue
            if fault.target == "all" and self._begins_calm(now):
                return False
            del self._plan[index]
            self._do(fault, where, now)
            return True
        return False

    def _begins_calm(self, now: float) -> bool:
        """Everything is well, and about to be broken: the moment for a calm window, if there was none for long."""
        if not self._calm or now < self._next_calm:
            return False
        self._say(f"calm, for {self._calm:g} s")
        self._calm_until, self._next_calm = now + self._calm, now + self._calm + CALM_EVERY
        return True

    def _place(self, fault: Fault) -> str | None:
        """The camera or server to break, or the target itself; None where it is broken already."""
        places: Sequence[str] = [fault.target]
        if fault.target == "camera":
            places = sorted(self._world.cameras)
        elif fault.target == "server":
            places = sorted(self._world.servers)
        free = [place for place in places if self._is_free(place)]
        return self._dice.choice(free) if free else None

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

    def _do(self, fault: Fault, where: str, now: float) -> None:
        self._say(f"{fault.name}: {where}")
        begin_utc = time.time()
        cure = Cure()
        with self._noted(fault):
            cure = fault.do(self._world, where, self._dice)
        until = now + self._dice.uniform(*fault.lasts)
        self._open[where] = Injected(fault, where, hidden(fault, where, self._world), begin_utc, cure, until)

    @contextmanager
    def _noted(self, fault: Fault) -> Iterator[None]:
        """A fault that cannot be done, or undone, is a complaint at the end, and no end of the run."""
        try:
            yield
        except (psutil.Error, RuntimeError, OSError) as error:
            self._world.complaints.append(f"{fault.name}: {type(error).__name__}: {error}")
            self._say(self._world.complaints[-1])

    def _mend(self, now: float) -> None:
        for one in self._open.values():
            if one.mended is not None or now < one.until:
                continue
            with self._noted(one.fault):
                one.cure.undo()
            one.mended = one.since = time.monotonic()
            one.mended_figures = self._figures()
            for other in self._open.values():
                if other.mended is not None and one.fault.target in IN_THE_WAY.get(other.fault.target, ()):
                    other.since = one.mended

    def _watch(self) -> None:
        if not any(one.mended is not None for one in self._open.values()):
            return
        figures = self._figures()
        for where, one in list(self._open.items()):
            if one.mended is None:
                continue
            others = [other for other in self._open.values() if other is not one]
            took = time.monotonic() - one.since
            if is_well(one, figures, others, self._world):
                one.recovered = took
            elif took < GIVE_UP:
                continue
            else:
                self._say(f"NOT RECOVERED: {one.fault.name}: {where}")
            one.end_utc = time.time()
            self._done.append(self._open.pop(where))

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
        stopped = time.time()
        code, took = world.daemon.stop()
        time.sleep(1.0)
        _, alive = psutil.wait_procs(children, timeout=5)
        left = [f"process {process.pid}" for process in alive] + world.parts() + world.complaints
        if code != 0 or took > 5:
            left.append(f"the stop took {took:.1f} s and ended with {code}")
        return Result(tuple(self._done), audit(self._found(stopped)), tuple(left), world.daemon.log)

    def _found(self, stopped: float) -> Found:
        world = self._world
        world.remember()
        troubles = [
            Trouble(one.fault.name, one.begin_utc, one.end_utc or time.time(), one.cameras) for one in self._done
        ]
        return Found(
            decided=world.decided(),
            arrived=world.arrived(),
            named=world.named(),
            stays=[stay for stay in world.stays() if stay.end < stopped - 3.0],  # the stop comes before a decision
            people={name: camera.clip.person for name, camera in world.cameras.items()},
            troubles=troubles,
            destroyed=world.destroyed,
            broker_killed=world.broker_killed,
        )

"""Batches side by side: each in a thread of its own that computes alone, instead of one that all cores share.

The networks are small: several threads that share one operation wait for each other, and spin while they wait. Two
batches on two cores need less processor time each and are done sooner than one after the other on both
(docs/decisions/012-scheduling.md).
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from camwatch.engine.cores import cores

MOST = 4
"""Lanes; more of them would cost memory, and each has a batch of its own to fill. Further cores go to each lane."""

T = TypeVar("T")


def shares(threads: int | None, cameras: int) -> tuple[int, int]:
    """How many lanes there should be, and how many threads each may use.

    The frames of one camera are analysed one after another, so there are no more lanes than cameras.

    Args:
        threads: For all lanes together; None for as many as this process may have cores.
        cameras: How many there are.
    """
    together = threads or cores()
    lanes = max(1, min(together, cameras, MOST))
    return lanes, max(1, together // lanes)


class Lanes:
    """Runs work in a few threads; what is to be done with the results is done by the owner's thread in `finish`.

    With one lane `start` waits for the end of the work: there is nothing to do meanwhile.

    Attributes:
        wake_fd: An event descriptor that becomes readable when work has ended.
    """

    def __init__(self, count: int) -> None:
        """Start no thread before there is work."""
        self._count = count
        self._pool = ThreadPoolExecutor(count, "lane")
        self._running: dict[Future[Any], tuple[Callable[[Future[Any]], None], float]] = {}
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    @property
    def free(self) -> int:
        """How many lanes have nothing to do; `start` needs one."""
        return self._count - len(self._running)

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def start(self, work: Callable[[], T], then: Callable[[Future[T]], None]) -> None:
        """Begin some work.

        Args:
            work: Is called in a lane.
            then: Is called by `finish` with the result or the error.
        """
        future = self._pool.submit(work)
        self._running[future] = then, time.monotonic()
        if self._count == 1:
            wait([future])
        else:
            future.add_done_callback(lambda _: os.eventfd_write(self.wake_fd, 1))

    def finish(self) -> None:
        """Do what is to be done with the work that has ended; raises what that raises."""
        for future in [each for each in self._running if each.done()]:
            then, _ = self._running.pop(future)
            then(future)

    def drain(self, seconds: float) -> None:
        """Wait for what is running, so long at most, then `finish`."""
        wait(self._running, seconds)
        self.finish()

    def longest(self, now: float) -> float:
        """For how many seconds the oldest work has been running."""
        return now - min((since for _, since in self._running.values()), default=now)

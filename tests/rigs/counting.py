"""Numbers that lose counts where threads add to them without a lock."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class SlowNumber(int):
    """Adding takes a moment, in which another thread may read the old value."""

    def __add__(self, other: int) -> "SlowNumber":
        time.sleep(0.001)
        return SlowNumber(int(self) + other)


def side_by_side(work: Callable[[int], object], *, threads: int = 4, times: int = 10) -> None:
    """Call `work` so many times in each of so many threads, with the number of the thread."""

    def often(number: int) -> None:
        for _ in range(times):
            work(number)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(often, range(threads)))

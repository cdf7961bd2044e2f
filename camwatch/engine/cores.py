"""How many cores there are for this process: those it may run on, less where its control group grants less.

A container that is granted two cores of a large machine still sees all of them; threads for all would mostly be made
to wait. See sched_setaffinity(2), cgroups(7) and `cpu.max` in the kernel's cgroup-v2.rst.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup")
_MOUNTS = Path("/sys/fs/cgroup")


def cores() -> int:
    """How many threads can compute at once; a part of a core counts as one."""
    there = len(os.sched_getaffinity(0))
    return max(1, math.ceil(min([there, *_quotas()])))


def scarce() -> int | None:
    """The same where it is less than what libraries find by themselves, else None."""
    found = cores()
    return found if found < len(os.sched_getaffinity(0)) else None


def _quotas() -> Iterator[float]:
    """What each group that the process is in, and each group around that, grants in cores."""
    try:
        lines = _GROUPS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = _MOUNTS / controllers
        group = mount / path.lstrip("/")
        # In a container the path may be the one outside: then only the mount itself is there.
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount):
                yield from _quota(folder)


def _quota(group: Path) -> Iterator[float]:
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (group / "cpu.max").read_text("ascii").split()  # version 2, or ...
        if quota != "max":
            yield int(quota) / int(period)
    with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
        granted = int((group / "cpu.cfs_quota_us").read_text("ascii"))
        if granted > 0:  # -1 is no limit
            yield granted / int((group / "cpu.cfs_period_us").read_text("ascii"))

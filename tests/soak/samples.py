"""What the daemon takes at a moment: memory, descriptors, threads, segments, disk."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_MIB = 1024.0 * 1024.0
_SEGMENT = "/memfd:camwatch-"


@dataclass(frozen=True, slots=True)
class Taken:
    """What one process has.

    Attributes:
        pid: Its id: a restarted process is another one.
        pss: Its share of memory, MiB: pages that it shares count in part (proc(5), smaps_rollup).
        rss: Its resident memory, MiB, shared pages in full.
        descriptors: Open files.
        threads: Threads.
    """

    pid: int
    pss: float
    rss: float
    descriptors: int
    threads: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Attributes:
        at: Seconds since the soak began.
        processes: By role: `main`, `inference`, `reader CAMERA`.
        segments: Anonymous shared memory files of ours, over all processes, each counted once.
        database: Bytes of the database with what SQLite keeps beside it.
        state: Bytes of all of the state folder.
        outbox: Events that wait.
    """

    at: float
    processes: dict[str, Taken]
    segments: int
    database: int
    state: int
    outbox: float


def take(main: int, state: Path, began: float, *, outbox: float) -> Sample:
    """Look at a running daemon.

    Args:
        main: Its process id.
        state: Its state folder.
        began: When the soak began, monotonic seconds.
        outbox: As its metrics say.
    """
    processes: dict[str, Taken] = {}
    segments: set[str] = set()
    for process in _family(main):
        # One that ends while it is looked at is left out.
        with suppress(psutil.Error, OSError):
            role = _role(process, main)
            processes[role] = _taken(process)
            segments |= _segments(process.pid)
    sizes = dict(_sizes(state))
    database = sum(size for name, size in sizes.items() if name.startswith("events.sqlite"))
    return Sample(time.monotonic() - began, processes, len(segments), database, sum(sizes.values()), outbox)


def _family(main: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        process = psutil.Process(main)
        return [process, *process.children(recursive=True)]
    return []


def _role(process: psutil.Process, main: int) -> str:
    if process.pid == main:
        return "main"
    words = process.cmdline()
    if any(word.endswith("inference_main") for word in words):
        return "inference"
    if any(word.endswith("reader_main") for word in words):
        rings = sorted(name.removeprefix(_SEGMENT).split(" ")[0] for name in _links(process.pid) if _SEGMENT in name)
        return f"reader {rings[0]}" if rings else "reader"
    return process.name()


def _taken(process: psutil.Process) -> Taken:
    memory = process.memory_full_info()
    return Taken(process.pid, memory.pss / _MIB, memory.rss / _MIB, process.num_fds(), process.num_threads())


def _links(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            found.append(str(entry.readlink()))
    return found


def _segments(pid: int) -> set[str]:
    """Our anonymous files by device and inode, so that one that is inherited counts once."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if _SEGMENT in str(entry.readlink()):
                about = entry.stat()
                found.add(f"{about.st_dev}:{about.st_ino}")
    return found


def _sizes(folder: Path) -> Iterable[tuple[str, int]]:
    for file in folder.rglob("*"):
        with suppress(OSError):
            if file.is_file():
                yield file.relative_to(folder).as_posix(), file.stat().st_size

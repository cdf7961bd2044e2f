"""Finds what a test left behind: processes, also orphans whose parent was killed, and shared memory segments."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil

MARK = "CAMWATCH_TEST_MARK"
SHARED_MEMORY = Path("/dev/shm")


class Watch:
    """Marks every process started while `marked()` is open and tells later which of them are alive.

    The mark is an environment variable: children and grandchildren inherit it and keep it when their parent dies,
    which parent ids do not.
    """

    def __init__(self) -> None:
        """Remember what was there before."""
        self._mark = uuid.uuid4().hex
        self._children = {process.pid for process in psutil.Process().children(recursive=True)}
        self._segments = _segments()

    @contextlib.contextmanager
    def marked(self) -> Iterator[None]:
        """Processes started inside carry the mark."""
        before = os.environ.get(MARK)
        os.environ[MARK] = self._mark
        try:
            yield
        finally:
            if before is None:
                del os.environ[MARK]
            else:
                os.environ[MARK] = before

    def left(self, grace: float = 3.0) -> list[str]:
        """What is still there after at most `grace` seconds; processes are ended, so that later tests are fair."""
        _, alive = psutil.wait_procs(self._processes(), timeout=grace)
        found = [f"process {process.pid} ({_words(process)})" for process in alive]
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        return found + [f"shared memory {name}" for name in sorted(_segments() - self._segments)]

    def _processes(self) -> list[psutil.Process]:
        own = {p for p in psutil.Process().children(recursive=True) if p.pid not in self._children}
        marked = {p for p in psutil.process_iter() if _environment(p).get(MARK) == self._mark}
        return [p for p in own | marked if p.pid != os.getpid() and _counts(p)]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120] or process.name()
    except psutil.Error:
        return "gone"


def _counts(process: psutil.Process) -> bool:
    """Whether it is more than a zombie or Python's own tracker of shared memory, which lives as long as pytest."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "resource_tracker" not in _words(process)
    except psutil.Error:
        return False


def _segments() -> set[str]:
    if not SHARED_MEMORY.is_dir():
        return set()
    return {entry.name for entry in SHARED_MEMORY.iterdir() if "camwatch" in entry.name}

"""A folder of files about visits, bounded by number and by age: `VISIT_ID.suffix` or `VISIT_ID.N.suffix`."""

import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from camwatch.errors import StateError
from camwatch.files import write_whole

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_ABANDONED = 3600.0


class Shelf:
    """The folder: files with mode 0600, the folder itself 0700.

    Args:
        folder: Made where it is missing.
        suffix: What the names end in, with the dot.
        what: What a file is, for messages.
        keep: How many files remain at most.
        max_age: Seconds after which a file goes.

    Raises:
        StateError: The folder cannot be made.
    """

    def __init__(self, folder: Path, suffix: str, *, what: str, keep: int, max_age: float) -> None:
        """Make the folder."""
        self._folder, self._suffix, self._what = folder, suffix, what
        self._keep, self._max_age = keep, max_age
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{folder}: cannot keep {what}s here: {error.strerror}") from error

    def put(self, visit_id: str, data: bytes, now: float, *, number: int | None = None) -> str:
        """Write a file of a visit, replacing an earlier one of the same name; returns the name.

        Args:
            visit_id: Becomes the file name.
            data: All of it.
            now: UTC seconds; the age counts from here.
            number: Tells several of one visit apart.

        Raises:
            StateError: The file cannot be written.
            ValueError: The visit id cannot be a file name.
        """
        if not _NAME.fullmatch(visit_id):
            raise ValueError(f"{visit_id!r} cannot be the name of a file")
        name = f"{visit_id}{'' if number is None else f'.{number}'}{self._suffix}"
        file = self._folder / name
        try:
            if not self._folder.is_dir():  # somebody removed it
                self._folder.mkdir(mode=0o700)
            write_whole(file, data)
            os.utime(file, (now, now))
        except OSError as error:
            raise StateError(f"{file}: cannot write the {self._what}: {error.strerror}") from error
        return name

    def prune(self, now: float) -> int:
        """Remove files that are too old, then the oldest beyond the number; returns how many went.

        What a crash left half written goes too, once it cannot be of a write that is still under way. What cannot be
        removed stops nothing else.

        Raises:
            OSError: Of the first that cannot be removed, at the end.
        """
        aged = self._aged(f"[!.]*{self._suffix}")
        beyond = max(len(aged) - self._keep, 0)
        gone = [path for index, (made, path) in enumerate(aged) if index < beyond or now - made > self._max_age]
        parts = [path for made, path in self._aged(f".*{self._suffix}.*.new") if now - made > _ABANDONED]
        _remove(gone + parts)
        return len(gone)

    def halve(self) -> int:
        """Remove the older half; returns how many went.

        Raises:
            OSError: Of the first that cannot be removed, at the end.
        """
        aged = self._aged(f"[!.]*{self._suffix}")
        gone = [path for _, path in aged[: (len(aged) + 1) // 2]]
        _remove(gone)
        return len(gone)

    def _aged(self, pattern: str) -> list[tuple[float, Path]]:
        """Files with the times they were made, oldest first."""
        aged = []
        for path in self._folder.glob(pattern):
            # Somebody may be forgotten at this moment, by another process.
            with suppress(FileNotFoundError):
                about = path.lstat()
                if stat.S_ISREG(about.st_mode):
                    aged.append((about.st_mtime, path))
        return sorted(aged)


def files_of(folder: Path, suffix: str, visits: Collection[str]) -> list[Path]:
    """The files of these visits; the folder need not exist."""
    return [path for path, visit in _named(folder, suffix) if visit in visits]


def orphans(folder: Path, suffix: str, visits: Collection[str]) -> list[Path]:
    """The files of other visits than these."""
    return [path for path, visit in _named(folder, suffix) if visit not in visits]


def erase(paths: Collection[Path]) -> int:
    """Remove files; returns how many there were.

    Raises:
        StateError: One cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{path}: cannot be erased: {error.strerror}") from error
    return len(paths)


def _remove(paths: Collection[Path]) -> None:
    trouble: OSError | None = None
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            trouble = trouble or error
    if trouble is not None:
        raise trouble


def _named(folder: Path, suffix: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.glob(f"[!.]*{suffix}")):
        if path.is_file() and not path.is_symlink():
            yield path, path.name.partition(".")[0]

"""Files that are written whole or not at all, and JSON that may be anything."""

import codecs
import errno
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file, for its owner alone, so that a reader, or a crash, sees the old content or the new, never a part.

    The data goes to a temporary file in the same folder, to the disk, then over the old name (rename(2) is atomic
    within a file system); the folder is synced too, so that the name survives a power cut.

    Args:
        path: The file; its folder must exist.
        data: All of it.
        mode: Permissions, whatever the umask.

    Raises:
        OSError: The disk is full, the folder is not writable, there is something that is no file (a device, a pipe,
            which would be gone for everybody), ...; the old content is still there. Its `filename` is `path`.
    """
    try:
        _write_whole(path, data, mode)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not the temporary one, which nobody knows
        raise


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    if _is_special(path):
        raise FileExistsError(errno.EEXIST, "something that is no file is there", str(path))
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_special(path: Path) -> bool:
    """Whether it is, or a link leads to, a device, a pipe or a socket; a folder is refused by rename(2) itself."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


_LATE = ("cp437", "idna")
"""What Python loads at the first zip file, and at the first host name."""


@contextmanager
def as_owner_of(folder: Path | None) -> Iterator[None]:
    """As root, act as the owner of a folder: what is written there must be the daemon's to read.

    Where the folder does not exist, as the owner of the nearest one that it will lie in. Root goes on as root where it
    may not become that owner (in a container), and where the owner could not write there (below a folder of root's).
    For others nothing changes. It holds for all threads of the process, so it is for commands, not for the daemon. The
    owner need not be able to read Python's own files, below root's home say: what would be imported meanwhile has to
    be there before.
    """
    there = folder
    while there is not None and not there.is_dir() and there != there.parent:
        there = there.parent
    if there is None or os.geteuid() != 0 or there.stat().st_uid == 0:
        yield
        return
    for codec in _LATE:
        codecs.lookup(codec)
    group, groups = os.getegid(), os.getgroups()
    try:
        owner = there.stat()
        with suppress(OSError):
            os.setgroups([owner.st_gid])
            os.setegid(owner.st_gid)
            os.seteuid(owner.st_uid)
        if os.geteuid() != 0 and not os.access(there, os.W_OK | os.X_OK, effective_ids=True):
            os.seteuid(0)
        if os.geteuid() == 0:
            _become_root(group, groups)
        yield
    finally:
        _become_root(group, groups)


def _become_root(group: int, groups: list[int]) -> None:
    os.seteuid(0)
    os.setegid(group)
    with suppress(OSError):  # where groups cannot be changed they were not
        os.setgroups(groups)


def remove_parts(folder: Path) -> None:
    """Remove what crashed writes left of files in a folder; only for whom nobody else writes there at this moment."""
    for part in folder.glob(".*.new"):
        part.unlink(missing_ok=True)


def from_json(text: str | bytes | bytearray) -> Any:
    """What a JSON text says.

    Raises:
        ValueError: It is no JSON, no Unicode, or nested more deeply than Python reads.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

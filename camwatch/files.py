"""Files that are written whole or not at all, and JSON that may be anything."""

import errno
import json
import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part; for its owner alone.

    The data goes to a temporary file in the same folder, to the disk, then over the old name (rename(2) is atomic
    within a file system); the folder is synced too, so that the name survives a power cut. As root the owner is that of
    the folder, see `hand_over`.

    Args:
        path: The file; its folder must exist.
        data: All of it.

    Raises:
        OSError: The disk is full, the folder is not writable, there is something that is no file (a device, a pipe,
            which would be gone for everybody), ...; the old content is still there. Its `filename` is `path`.
    """
    try:
        _write_whole(path, data)
    except OSError as error:
        error.filename, error.filename2 = str(path), None  # not the temporary one, which nobody knows
        raise


def _write_whole(path: Path, data: bytes) -> None:
    if _is_special(path):
        raise FileExistsError(errno.EEXIST, "something that is no file is there", str(path))
    fd, name = tempfile.mkstemp(  # 0600
        prefix=f".{path.name}.", suffix=".new", dir=path.parent
    )
    part = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            hand_over(fd, path.parent)
            file.write(data)
            file.flush()
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


def private_folder(path: Path) -> None:
    """Make a folder, and those above it, for their owner alone (0700), where there are none; see `hand_over`.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    if path.is_dir():
        return
    if not path.parent.exists():
        private_folder(path.parent)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    hand_over(path, path.parent)


def hand_over(made: Path | int, folder: Path) -> None:
    """As root, give what was made in a folder to the owner of the folder: the daemon must be able to use it.

    For others nothing changes. Where even root may not, as in some containers, it stays root's.

    Args:
        made: A path, or the descriptor of an open file.
        folder: Where it lies.
    """
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    if owner.st_uid != 0:
        with suppress(OSError):
            os.chown(made, owner.st_uid, owner.st_gid)


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

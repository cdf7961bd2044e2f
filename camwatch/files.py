"""Files that are written whole or not at all, and JSON that may be anything."""

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part.

    The data goes to a temporary file in the same folder, to the disk, then over the old name (rename(2) is atomic
    within a file system); the folder is synced too, so that the name survives a power cut.

    What root writes belongs to whom the folder belongs, such as the daemon's user: else the daemon could not read it.

    Args:
        path: The file; its folder must exist.
        data: All of it.
        mode: Permissions, whatever the umask.

    Raises:
        OSError: The disk is full, the folder is not writable, ...; the old content is still there.
    """
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(fd, mode)
            give_to_owner_of(path.parent, fd)
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


def give_to_owner_of(folder: Path, what: Path | int) -> None:
    """Root gives a file or folder to the owner of the folder that it lies in; for others nothing changes.

    Where it cannot be given away, as on a share that knows no root, it stays whose it is.

    Args:
        folder: Where it lies.
        what: The descriptor of a file, or the path of a folder, which is not followed if its owner puts a link there.
    """
    if os.geteuid() != 0:
        return
    owner = folder.stat()
    descriptor = what if isinstance(what, int) else os.open(what, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        if not isinstance(what, int):
            os.close(descriptor)


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

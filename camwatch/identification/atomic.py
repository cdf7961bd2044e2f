"""Files that are either the old ones or the new ones, whole, even if the machine stops in between."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

TEMPORARY = ".camwatch-"
"""How the temporary names begin, so that leftovers of a crash can be told and removed."""


def write_file(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file under a temporary name beside its place, bring it to disk, and rename it.

    The file is readable by its owner alone (0600).

    Args:
        path: Where it goes; the directory must exist.
        write: Called with the open binary file.

    Raises:
        OSError: The directory cannot be written; an existing file is then unharmed.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)  # made with mode 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Bring a directory's names to disk, so that a rename or removal outlives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

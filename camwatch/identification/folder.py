"""The gallery's folder: for one writer at a time, and for its owner alone."""

import errno
import fcntl
import logging
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AGAIN = 0.05  # seconds
_log = logging.getLogger(__name__)


@contextmanager
def locked(folder: Path, timeout: float = 5.0) -> Iterator[None]:
    """Nobody else who asks for it writes or erases what is known of the gallery meanwhile: flock(2) of its folder.

    On a file system without such locks it goes on without one.

    Args:
        folder: The gallery's.
        timeout: Seconds to wait at most.

    Raises:
        TimeoutError: Somebody else holds it for longer.
        OSError: There is no such folder, or it cannot be read.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        until = time.monotonic() + timeout
        while not _free(descriptor):
            if time.monotonic() >= until:
                busy = f"another camwatch writes there, for {timeout:g} s by now"
                raise TimeoutError(errno.EAGAIN, busy, str(folder))
            time.sleep(_AGAIN)
        yield
    finally:
        os.close(descriptor)  # which unlocks


def _free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        _log.debug("the gallery cannot be locked: %s", error.strerror)
    return True


def keep_private(folder: Path) -> None:
    """Close a folder that we are going to write into to everybody else, where it is ours; never fails.

    A folder that all may write into (with the sticky bit, as /tmp) belongs to everybody and stays open.
    """
    try:
        found = folder.stat()
        mode = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid() or not mode & 0o077 or mode & stat.S_ISVTX:
            return
        folder.chmod(mode & ~0o077)
    except OSError as error:
        _log.info("%s: stays open to others: %s", folder, error.strerror or error)
        return
    _log.info("%s: has faces in it, and is for its owner alone from now on", folder)

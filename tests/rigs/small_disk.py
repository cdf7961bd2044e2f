"""A file system of a few megabytes, to be filled up: a tmpfs, which only root may mount.

with SmallDisk(folder / "small", megabytes=8) as disk:
    disk.fill()
    ...
    disk.free()
"""

import errno
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class SmallDisk:
    """A mounted disk; unmounted by `close`.

    Args:
        folder: Where; made.
        megabytes: Its size. Memory is used only for what is in it.

    Raises:
        OSError: It cannot be mounted here.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        """Mount it."""
        self.folder = folder
        folder.mkdir(mode=0o700)
        options = f"size={megabytes}m,mode=700"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "camwatch-small-disk", str(folder)], capture_output=True, text=True
        )
        if done.returncode != 0:
            folder.rmdir()
            raise OSError(f"no small disk: {done.stderr.strip() or 'mount failed'}")

    def fill(self) -> None:
        """Take all the room there is."""
        file = os.open(self._filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (1 << 20, 1 << 12, 1):
                _write_all(file, bytes(size))
        finally:
            os.close(file)

    def free(self) -> None:
        """Give it back."""
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmount; what still has files open on it goes on without a name for them."""
        for _ in range(20):
            if subprocess.run(["umount", str(self.folder)], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["umount", "--lazy", str(self.folder)], capture_output=True, check=False)
        self.folder.rmdir()

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def __enter__(self) -> Self:
        """It is mounted already."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Unmount it."""
        self.close()


def _write_all(file: int, data: bytes) -> None:
    """Write it again and again until there is no room for it."""
    try:
        while True:
            os.write(file, data)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _missing() -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            SmallDisk(Path(folder) / "disk", 1).close()
        except OSError as error:
            return str(error)
    return None


SMALL_DISK_MISSING: str | None = _missing() if os.geteuid() == 0 else "no small disk: only root may mount one"
"""Why `SmallDisk` cannot be had on this machine, or None."""

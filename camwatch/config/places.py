"""Whether the files and folders that a configuration names can be used by this user."""

import os
import stat
from pathlib import Path


def unreadable(path: Path | None, *, folder: bool = False) -> str | None:
    """Why a file, or a folder, cannot be read; None where it can, or where none is named."""
    kind, other = ("folder", "file") if folder else ("file", "folder")
    try:
        is_folder = path is None or stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return f"there is no {kind} {path}"
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    if path is None:
        return None
    if is_folder != folder:
        return f"{path} is a {other}, must be a {kind}"
    needed = os.R_OK | os.X_OK if folder else os.R_OK
    return None if os.access(path, needed) else f"{path} cannot be read by this user"


def unwritable(folder: Path) -> str | None:
    """Why a folder cannot be written, or made where it is not there yet."""
    standing = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    if unreadable(standing, folder=True):
        return unreadable(standing, folder=True)
    return None if os.access(standing, os.W_OK | os.X_OK) else f"{standing} cannot be written by this user"

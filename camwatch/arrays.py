"""Reading `.npz` files that may be damaged or anything else, without ever unpickling."""

import io
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from numpy.lib.format import read_array
from numpy.typing import NDArray

MAX_BYTES = 512 << 20
"""Unpacked: a small archive can hold gigabytes of zeros."""
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as numpy writes; of others zipfile cannot unpack a part
# What zipfile and numpy's reading of a header raise over bytes that are none of theirs.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError, EOFError, RuntimeError),
    *(MemoryError, ArithmeticError, LookupError, TypeError, ValueError),
)


def read_arrays(path: Path, *, only: Set[str] | None = None) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` by name.

    Every member is read whole, and so its checksum is tested, before anything in it is believed.

    Args:
        path: The file.
        only: Names of those to be read; all where None.

    Raises:
        OSError: The file is not there or cannot be read.
        ValueError: It is not an `.npz`, it is damaged, or it holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = {info.filename: data for info, data in _unpacked(file, only)}
        return {
            name.removesuffix(".npy"): read_array(io.BytesIO(data), allow_pickle=False)
            for name, data in members.items()
        }
    except _DAMAGE as error:
        raise ValueError(f"not a whole file of arrays ({type(error).__name__})") from error


def _unpacked(file: zipfile.ZipFile, only: Set[str] | None) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    left = MAX_BYTES
    for info in file.infolist():
        if only is not None and info.filename.removesuffix(".npy") not in only:
            continue
        left -= info.file_size
        if left < 0 or info.compress_type not in _PACKED:
            raise ValueError(f"{info.filename!r} is too large, or packed as numpy does not")
        with file.open(info) as member:
            # As much as is announced and no more: read() alone unpacks all there is before it compares.
            data = member.read(info.file_size)
            if member.read(1):
                raise ValueError(f"{info.filename!r} is larger than it says")
        yield info, data

"""Reading `.npz` files that may be damaged or anything else, without ever unpickling."""

import io
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from numpy.lib.format import read_array
from numpy.typing import NDArray

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, MemoryError, OverflowError, ValueError)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` by name.

    Every member is read whole, and so its checksum is tested, before anything in it is believed.

    Raises:
        OSError: The file is not there or cannot be read.
        ValueError: It is not an `.npz`, it is damaged, or it holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as file:
            members = {name: file.read(name) for name in file.namelist()}
        return {
            name.removesuffix(".npy"): read_array(io.BytesIO(data), allow_pickle=False)
            for name, data in members.items()
        }
    except _DAMAGE as error:
        raise ValueError(f"not a whole file of arrays ({type(error).__name__})") from error

"""Embeddings of photos, kept in the folder of photos, so that a restart embeds only what is new.

One `.npz` of two arrays: `embeddings`, (rows, dimensions) float32, and `index`, a JSON text with the version, the
network, and for each photo its SHA-256, its first row, how many, and its quality. Only a cache: a damaged one is
reported once and made anew.
"""

import io
import json
import logging
import math
from collections.abc import Iterable, Set
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.arrays import read_arrays
from camwatch.files import from_json, write_whole
from camwatch.identification.folder import keep_private
from camwatch.records import Enrolled, Quality

CACHE_FILE = ".embeddings.npz"
_VERSION = 2  # each photo by four views; 1 had two
_DIMENSIONS = 512
_OFF_UNIT = 0.01
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class CachedPhoto:
    """What is kept of one photo: (n, dimensions) float32 unit rows, and the quality of its face."""

    sha256: str
    embeddings: NDArray[np.float32]
    quality: Quality


def read_cache(folder: Path, network: str, *, again: bool = False) -> dict[str, CachedPhoto]:
    """The cached photos by their SHA-256; none where the cache is missing, damaged, or of another network.

    Args:
        folder: The gallery's.
        network: Id of the network.
        again: It was read before: what is wrong with it has been said.
    """
    found, made_by = _read(folder, logging.DEBUG if again else logging.WARNING)
    return found if made_by == network else {}


def write_cache(folder: Path, network: str, enrolled: Iterable[Enrolled | CachedPhoto]) -> bool:
    """Replace the cache by these photos, for its owner alone (0600); see `loader.save` for what others know, too.

    Returns:
        Whether it was written; where it cannot be, as in a read-only folder, a warning says so and nothing is lost.
    """
    photos = {one.sha256: CachedPhoto(one.sha256, one.embeddings, one.quality) for one in enrolled}
    try:
        _write(folder, network, photos.values())
    except OSError as error:
        _log.warning("%s: embeddings are not cached: %s", folder, error.strerror or error)
        return False
    return True


def keep_rows(folder: Path, digests: Set[str]) -> int:
    """Erase all photos from the cache but these (SHA-256), and a damaged cache whole; returns how many went.

    Raises:
        OSError: The cache cannot be written.
    """
    found, network = _read(folder)
    if network is None:
        (folder / CACHE_FILE).unlink(missing_ok=True)
        return 0
    kept = [photo for digest, photo in found.items() if digest in digests]
    if len(kept) < len(found):
        _write(folder, network, kept)
    return len(found) - len(kept)


def _read(folder: Path, level: int = logging.WARNING) -> tuple[dict[str, CachedPhoto], str | None]:
    """The cached photos and their network; the network is None where there is no cache to be read."""
    path = folder / CACHE_FILE
    try:
        arrays = read_arrays(path)
        index, rows = from_json(str(arrays["index"])), arrays["embeddings"]
        if index["version"] != _VERSION:
            raise ValueError(f"version {index['version']}, not {_VERSION}")
        if rows.dtype != np.float32 or rows.ndim != 2 or rows.shape[1] != _DIMENSIONS or not np.isfinite(rows).all():
            raise ValueError("not an array of embeddings")
        if len(rows) and np.abs(np.linalg.norm(rows.astype(np.float64), axis=1) - 1.0).max() > _OFF_UNIT:
            raise ValueError("embeddings that are not of unit length")
        found = {}
        for digest, start, count, quality in index["photos"]:
            part = rows[start : start + count]
            if start < 0 or count < 1 or len(part) != count:
                raise ValueError("an index that does not fit its embeddings")
            if not all(map(math.isfinite, quality)):
                raise ValueError("a quality that is no number")
            found[str(digest)] = CachedPhoto(str(digest), part, Quality(*map(float, quality)))
        return found, str(index["network"])
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        _log.log(level, "%s: ignored and made anew: %s", path, error)
        return {}, None


def _write(folder: Path, network: str, photos: Iterable[CachedPhoto]) -> None:
    entries, parts, start = [], [], 0
    for photo in photos:
        count = len(photo.embeddings)
        entries.append((photo.sha256, start, count, astuple(photo.quality)))
        parts.append(np.asarray(photo.embeddings, np.float32))
        start += count
    rows = np.concatenate(parts) if parts else np.zeros((0, _DIMENSIONS), np.float32)
    index = json.dumps({"version": _VERSION, "network": network, "photos": entries})
    keep_private(folder)
    content = io.BytesIO()
    np.savez(content, embeddings=rows, index=np.array(index))
    write_whole(folder / CACHE_FILE, content.getvalue())

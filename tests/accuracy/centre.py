"""Copies the direction of FaceNet's centre out of its packaged weights into the package's own small file.

python -m tests.accuracy.centre camwatch/identification/centre.npz
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.engine.graph_messages import attribute, floats, parse
from camwatch.engine.weights import FACENET, FACENET_NETWORK, facenet_graph_path, file_sha256

_BETA = "InceptionResnetV1/Bottleneck/BatchNorm/beta"


def direction() -> NDArray[np.float32]:
    """(512,) float32, unit length: the offset of the batch normalization after FaceNet's last layer."""
    path = facenet_graph_path()
    file_sha256(path, FACENET.sha256)
    [node] = [node for node in parse(path.read_bytes()) if node.name == _BETA]
    beta = floats(attribute(node, "value").tensor).astype(np.float64)
    return np.asarray(beta / np.linalg.norm(beta), np.float32)


if __name__ == "__main__":
    np.savez(Path(sys.argv[1]), network=np.array(FACENET_NETWORK), direction=direction())

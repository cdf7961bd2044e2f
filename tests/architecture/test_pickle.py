"""Nothing that is read can run code: no pickle, no eval, no unsafe YAML; and files that try to are refused."""

import ast
import io
import os
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
import yaml

from camwatch.capture.source import open_source
from camwatch.config import yamlsyntax
from camwatch.config.model import load
from camwatch.engine.frozen_graph import read_frozen_graph
from camwatch.engine.photos import read_photo
from camwatch.engine.weights import mtcnn_weights
from camwatch.errors import CamwatchError, ConfigError, ModelError, PhotoError, SourceRefused, StateError, WeightsError
from camwatch.identification.cache import CACHE_FILE, read_cache
from camwatch.identification.classifier import Classifier
from camwatch.publishing.outbox import Outbox
from camwatch.service.switches import Switches

ROOT = Path(__file__).parents[2]
UNPICKLING = {"pickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "copyreg", "jsonpickle"}
MAY_IMPORT = {"engine/weights.py: joblib"}
"""The packaged weights of MTCNN are a joblib dump; it is opened only after its bytes have matched a pinned SHA-256."""
MAY_SHARE = {"tools/bench/handover.py: multiprocessing"}
"""Whose queues pickle. The benchmark has one to compare with."""
RUNNING = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "tempfile.mktemp"}
LOADING = {"load_model", "load_weights", "load_module", "unsafe_load", "full_load", "load_all", "hub_load"}
"""Of Keras, torch and yaml: each can run what a file says."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted((ROOT / "camwatch").rglob("*.py")):
        yield file.relative_to(ROOT / "camwatch").as_posix(), ast.parse(file.read_text("utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Top-level packages of all imports, those inside functions included, also by `import_module("...")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module") and node.args:
            name = node.args[0]
            yield name.value.split(".")[0] if isinstance(name, ast.Constant) and isinstance(name.value, str) else "?"


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nobody_imports_what_unpickles() -> None:
    found = {f"{name}: {package}" for name, tree in modules() for package in imported(tree)}
    assert {each for each in found if each.split(": ")[1] in UNPICKLING} == MAY_IMPORT
    assert {each for each in found if each.split(": ")[1] == "multiprocessing"} <= MAY_SHARE


def test_the_one_pickle_is_opened_after_its_bytes_were_checked() -> None:
    tree = ast.parse((ROOT / "camwatch/engine/weights.py").read_text("utf-8"))
    opening = [
        function
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and any("joblib" in ast.unparse(line) for line in function.body)
    ]
    assert [function.name for function in opening] == ["_load"]
    order = ast.unparse(opening[0])
    assert order.count("joblib.load(") == 1
    assert order.index("check(path, content, expected)") < order.index("joblib.load(io.BytesIO(content))")


def test_nobody_runs_text_or_loads_what_can_run() -> None:
    found = []
    for name, tree in modules():
        for called, node in calls(tree):
            said = {keyword.arg: keyword.value for keyword in node.keywords}
            shell = said.get("shell")
            forbidden = called in RUNNING or called.split(".")[-1] in LOADING
            forbidden |= called in {"yaml.load", "torch.load", "jax.numpy.load", "np.fromfile", "numpy.fromfile"}
            if forbidden or (shell is not None and ast.unparse(shell) != "False"):
                found.append(f"{name}:{node.lineno}: {called}")
    assert found == []


def test_arrays_are_read_without_pickles() -> None:
    found = []
    for name, tree in modules():
        for called, node in calls(tree):
            if called in {"np.load", "numpy.load", "read_array", "np.lib.format.read_array"}:
                said = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
                found.append((name, called, said.get("allow_pickle")))
    assert found == [("arrays.py", "read_array", "False")]


def test_yaml_is_read_with_a_loader_that_makes_plain_values() -> None:
    assert not issubclass(yamlsyntax.Loader, yaml.UnsafeLoader | yaml.FullLoader)
    python = [tag for tag in yamlsyntax.Loader.yaml_constructors if "python" in str(tag)]
    python += [tag for tag in yamlsyntax.Loader.yaml_multi_constructors if "python" in str(tag)]
    assert python == []


# -- files that run something when they are unpickled


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self._mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a trap makes."""
    return tmp_path / "the payload has run"


def payloads(mark: Path) -> dict[str, bytes]:
    """One trap in every wrapping that some loader would open."""
    trap = Trap(mark)
    dump, array, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    joblib.dump(trap, dump)
    np.save(array, np.array([trap], dtype=object), allow_pickle=True)
    np.savez(archive, about=np.array([trap], dtype=object), index=np.array([trap], dtype=object),
             embeddings=np.array([[trap]], dtype=object))  # fmt: skip
    members = io.BytesIO()
    with zipfile.ZipFile(members, "w") as file:
        for name in ("about.npy", "index.npy", "embeddings.npy", "data.pkl", "archive/data.pkl"):
            file.writestr(name, pickle.dumps(trap))
    return {
        "pickle": pickle.dumps(trap),
        "text pickle": pickle.dumps(trap, protocol=0),
        "joblib": dump.getvalue(),
        "npy": array.getvalue(),
        "npz": archive.getvalue(),
        "zip": members.getvalue(),
    }


WRAPPINGS = tuple(payloads(Path("nowhere")))


def test_the_traps_work(mark: Path) -> None:
    """Or the tests below would prove nothing."""
    made = payloads(mark)
    for name in ("joblib", "pickle"):
        joblib.load(io.BytesIO(made[name]))
        mark.rmdir()
    np.load(io.BytesIO(made["npy"]), allow_pickle=True)
    mark.rmdir()
    np.load(io.BytesIO(made["npz"]), allow_pickle=True)["about"]
    assert mark.exists()


def refused(kind: type[CamwatchError], read: Callable[[], object], file: Path, mark: Path) -> None:
    with pytest.raises(kind) as caught:
        read()
    assert not mark.exists()
    assert "\n" not in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_classifier_s_model(tmp_path: Path, mark: Path, wrapping: str) -> None:
    file = tmp_path / "model.npz"
    file.write_bytes(payloads(mark)[wrapping])
    refused(ModelError, lambda: Classifier.load(file, network="n"), file, mark)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_cached_embeddings(tmp_path: Path, mark: Path, wrapping: str, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged cache is no reason to stop: it is told, and made anew."""
    file = tmp_path / CACHE_FILE
    file.write_bytes(payloads(mark)[wrapping])
    assert read_cache(tmp_path, "n") == {}
    assert not mark.exists()
    [record] = caplog.records
    assert record.getMessage().startswith(f"{file}: ignored and made anew: ")


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("name", ["pnet.lz4", "rnet.lz4", "onet.lz4"])
def test_weights_of_mtcnn(tmp_path: Path, mark: Path, wrapping: str, name: str) -> None:
    """Of this format indeed, and yet never opened, as its SHA-256 is not the pinned one."""
    from camwatch.engine import weights

    for packaged in (weights.PNET, weights.RNET, weights.ONET):
        file = tmp_path / Path(packaged.path).name
        file.write_bytes(weights.locate(packaged).read_bytes())
    file = tmp_path / name
    file.write_bytes(payloads(mark)[wrapping])
    refused(WeightsError, lambda: mtcnn_weights(tmp_path), file, mark)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_weights_of_facenet(tmp_path: Path, mark: Path, wrapping: str) -> None:
    file = tmp_path / "facenet.pb"
    file.write_bytes(payloads(mark)[wrapping])
    refused(WeightsError, lambda: read_frozen_graph(file), file, mark)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_photos(tmp_path: Path, mark: Path, wrapping: str) -> None:
    for name in ("alice.jpg", "alice.png", "alice.webp"):
        file = tmp_path / name
        file.write_bytes(payloads(mark)[wrapping])
        refused(PhotoError, lambda file=file: read_photo(file), file, mark)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_recordings(tmp_path: Path, mark: Path, wrapping: str) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(payloads(mark)[wrapping])
    refused(SourceRefused, lambda: list(open_source(str(file)).frames()), file, mark)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_files_of_the_state(tmp_path: Path, mark: Path, wrapping: str, caplog: pytest.LogCaptureFixture) -> None:
    data = payloads(mark)[wrapping]
    (tmp_path / "switches.json").write_bytes(data)
    Switches(tmp_path / "switches.json", {"front": True})
    assert not mark.exists()
    database = tmp_path / "events.sqlite"
    database.write_bytes(data)
    try:
        outbox, told = Outbox.open(database, 0.0)
        outbox.close()
        said = f"{caplog.text} {told}"  # set aside, and a new one begun
    except StateError as error:
        said = str(error)
    assert str(database) in said
    assert "Traceback" not in said
    assert not mark.exists()


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.mkdir ['{mark}']",
        "!!python/object/new:os.mkdir ['{mark}']",
        "!!python/name:os.mkdir",
        "!!python/module:os",
        "!!python/object/apply:subprocess.run [[mkdir, '{mark}']]",
    ],
)
def test_a_configuration(tmp_path: Path, mark: Path, value: str) -> None:
    text = value.format(mark=mark)
    for place in ("node: {}\nmqtt: {{host: b}}\ncameras: {{a: {{source: 0}}}}\n", "{}\n", "mqtt: {{host: {}}}\n"):
        file = tmp_path / "c.yml"
        file.write_text(place.format(text))
        refused_lines(file, mark)
    (tmp_path / "secrets.yaml").write_text(f"pw: {text}\n")
    file.write_text("mqtt: {host: b, username: u, password: !secret pw}\ncameras: {a: {source: 0}}\n")
    refused_lines(file, mark)


def refused_lines(file: Path, mark: Path) -> None:
    """All problems of a configuration at once, a line each."""
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert not mark.exists()
    assert all(problem.startswith(str(file.parent)) for problem in caught.value.problems)

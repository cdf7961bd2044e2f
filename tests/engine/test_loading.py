import importlib.metadata
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine import loading, selftest
from camwatch.engine.loading import default_cache, load_networks
from camwatch.engine.runtime import Network, Precision, Run, RuntimeName
from camwatch.engine.selftest import Measured
from camwatch.errors import InputError, WeightsError
from tests.engine.answers import SIZES, right_answers

ANSWERS = {network: right_answers(network) for network in SIZES}


def turned_round(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return -rows


class Runtime:
    """Answers what the packaged networks do to the test pictures.

    Args:
        wrong: A network that answers something else.
        how: What is made of its right answers.
        only: The precision in which it does.
    """

    def __init__(
        self,
        name: RuntimeName,
        *,
        wrong: str = "",
        how: Callable[[NDArray[np.float32]], NDArray[np.float32]] = turned_round,
        only: Precision | None = None,
        device: Literal["cpu", "gpu"] = "cpu",
    ) -> None:
        self.name, self.device, self.wrong, self.how, self.only = name, device, wrong, how, only
        self.compiled = list[tuple[str, Precision]]()

    def compile(self, network: Network, precision: Precision) -> Run:
        self.compiled.append((network.name, precision))
        rows = ANSWERS[network.name]
        if network.name == self.wrong and self.only in (None, precision):
            rows = self.how(rows)
        return lambda pixels: rows[: len(pixels)]


class World:
    """The runtimes of a machine; an error in place of a runtime is raised when it is opened."""

    def __init__(self, patch: pytest.MonkeyPatch, *runtimes: Any, gain: float = 2.0) -> None:
        self.opened, self.measured = list[str](), 0
        self.by_name = {each.name: each for each in runtimes}
        self.gain = gain
        patch.setattr(loading, "choose", lambda device: tuple(self.by_name))
        patch.setattr(loading, "open_runtime", self.open)
        patch.setattr(loading, "has_bfloat16", lambda: True)
        patch.setattr(selftest, "compare", self.compare)

    def open(self, name: str, **options: Any) -> Any:
        self.opened.append(name)
        found = self.by_name[name]
        if isinstance(found, Broken):
            raise found.error
        return found

    def compare(self, compile_in: Callable[[Precision], Run]) -> Measured:
        self.measured += 1
        return Measured(1.0, self.gain)


class Broken:
    """A runtime that cannot be opened."""

    def __init__(self, name: str, error: Exception) -> None:
        self.name, self.error = name, error


def test_the_first_that_works_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Runtime("openvino"), Runtime("tensorflow"))
    loaded = load_networks()
    assert (loaded.runtime, loaded.precision, world.opened) == ("openvino", "bfloat16", ["openvino"])
    assert world.by_name["openvino"].compiled == [
        ("facenet", "bfloat16"),
        ("pnet", "float32"),
        ("rnet", "bfloat16"),
        ("onet", "bfloat16"),
    ]


@pytest.mark.parametrize(
    "first",
    [
        Runtime("openvino", wrong="facenet"),
        Runtime("openvino", wrong="facenet", how=lambda rows: rows * np.float32(np.nan)),
        Runtime("openvino", wrong="facenet", how=lambda rows: rows * 0),
        Runtime("openvino", wrong="facenet", how=lambda rows: rows[:, ::-1]),
        Runtime("openvino", wrong="pnet", how=lambda rows: rows * np.float32(np.nan)),
        Runtime("openvino", wrong="rnet"),
        Runtime("openvino", wrong="onet", how=lambda rows: rows * np.float32(1.1)),
        Broken("openvino", AttributeError("module 'openvino' has no attribute 'Core'")),
        Broken("openvino", ImportError("libopenvino.so: cannot open shared object file")),
        Broken("openvino", OSError("no room")),
        Broken("openvino", RuntimeError("this processor is not supported")),
    ],
    ids=["turned", "nan", "zero", "permuted", "pnet", "rnet", "onet", "attribute", "import", "os", "runtime"],
)
def test_one_that_does_not_work_is_told_and_the_next_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, first: Any
) -> None:
    world = World(monkeypatch, first, Runtime("tensorflow"))
    assert load_networks().runtime == "tensorflow"
    assert world.opened == ["openvino", "tensorflow"]
    told = caplog.records[-1].getMessage()
    assert told.startswith("the runtime openvino cannot be used on this machine, taking the next: ")


@pytest.mark.parametrize("runtime", ["auto", "openvino"])
def test_where_none_works_it_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, runtime: Any) -> None:
    World(monkeypatch, Runtime("openvino", wrong="facenet"))
    with pytest.raises(InputError) as caught:
        load_networks(runtime=runtime)
    assert str(caught.value) == (
        "engine.runtime openvino: it cannot be used on this machine: it computes facenet wrongly in float32"
    )


def test_a_gpu_that_tensorflow_does_not_see_is_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def at_a_gpu(seen: bool, openvino: Any) -> tuple[RuntimeName, list[str]]:
        world = World(monkeypatch, Runtime("tensorflow", device="gpu" if seen else "cpu"), openvino)
        monkeypatch.setattr(loading, "choose", lambda device: tuple(world.by_name)[:: -1 if device == "cpu" else 1])
        return load_networks().runtime, world.opened

    assert at_a_gpu(True, Runtime("openvino")) == ("tensorflow", ["tensorflow"])
    assert not caplog.records
    assert at_a_gpu(False, Runtime("openvino")) == ("openvino", ["tensorflow", "openvino"])
    assert caplog.records[0].getMessage().startswith("tensorflow sees no GPU though one is there: taking openvino ")
    broken = Broken("openvino", ImportError("no such library"))
    assert at_a_gpu(False, broken) == ("tensorflow", ["tensorflow", "openvino", "tensorflow"])


def test_the_one_asked_for_has_no_other_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Runtime("openvino", wrong="facenet"), Runtime("tensorflow"))
    with pytest.raises(InputError, match=r"engine\.runtime openvino: "):
        load_networks(runtime="openvino")
    assert world.opened == ["openvino"]


def test_damaged_weights_are_nobody_elses_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, Runtime("openvino"), Runtime("tensorflow"))
    with pytest.raises(WeightsError, match=r"absent\.pb: cannot be read"):
        load_networks(facenet_weights=tmp_path / "absent.pb")
    assert world.opened == ["openvino"]


def test_other_weights_have_no_known_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.pb").write_bytes(b"read by nobody here")
    World(monkeypatch, Runtime("openvino", wrong="facenet"))
    assert load_networks(facenet_weights=tmp_path / "other.pb").runtime == "openvino"


def test_a_precision_that_has_become_wrong_costs_the_precision_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(monkeypatch, Runtime("openvino"), Runtime("tensorflow"))
    assert load_networks(cache=tmp_path).precision == "bfloat16"
    world.by_name["openvino"] = Runtime("openvino", wrong="onet", only="bfloat16")
    caplog.clear()
    loaded = load_networks(cache=tmp_path)
    assert (loaded.runtime, loaded.precision) == ("openvino", "float32")
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "openvino: it computes onet wrongly in bfloat16: taking float32"
    ]
    caplog.clear()
    assert load_networks(cache=tmp_path).precision == "float32"  # and it is not tried again at each start
    assert not caplog.records and world.measured == 1
    with pytest.raises(InputError, match="computes onet wrongly in bfloat16"):
        load_networks(runtime="openvino", precision="bfloat16", cache=tmp_path)


def test_another_version_of_the_runtime_is_measured_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, Runtime("openvino"))
    for version, measured in (("1", 1), ("1", 1), ("2", 2)):
        monkeypatch.setattr(importlib.metadata, "version", lambda name, version=version: version)
        load_networks(cache=tmp_path)
        assert world.measured == measured


def test_what_was_measured_is_remembered_by_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cache = tmp_path / "not" / "there"
    world = World(monkeypatch, Runtime("openvino"), Runtime("tensorflow"))
    assert load_networks(cache=cache).precision == load_networks(cache=cache).precision == "bfloat16"
    assert world.measured == 1
    world.gain = 1.0
    assert load_networks(runtime="tensorflow", cache=cache).precision == "float32"
    assert load_networks(runtime="openvino", cache=cache).precision == "bfloat16"
    assert world.measured == 2
    monkeypatch.setattr(loading, "_processor", lambda: "another")
    assert load_networks(cache=cache).precision == "float32"
    assert [path.name for path in cache.iterdir()] == ["precision.json"]


def test_without_a_cache_it_is_measured_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Runtime("openvino"))
    load_networks()
    load_networks()
    assert world.measured == 2


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"version": 1}', b'{"version": 2, "best": []}', b'{"version": 9, "best": {}}'],
)
def test_damaged_notes_are_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    world = World(monkeypatch, Runtime("openvino"))
    (tmp_path / "precision.json").write_bytes(content)
    assert load_networks(cache=tmp_path).precision == load_networks(cache=tmp_path).precision == "bfloat16"
    assert world.measured == 1


def test_a_precision_that_does_not_exist_is_not_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = World(monkeypatch, Runtime("openvino"))
    load_networks(cache=tmp_path)
    notes = json.loads((tmp_path / "precision.json").read_text())
    (tmp_path / "precision.json").write_text(json.dumps({**notes, "best": dict.fromkeys(notes["best"], "int8")}))
    assert load_networks(cache=tmp_path).precision == "bfloat16"
    assert world.measured == 2


def test_a_cache_that_is_a_file_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    World(monkeypatch, Runtime("openvino"))
    (tmp_path / "file").write_text("")
    assert load_networks(cache=tmp_path / "file").precision == "bfloat16"
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning == f"{tmp_path / 'file'}: the measurement cannot be kept there: File exists"


def test_a_processor_without_it_and_a_gpu_get_float32_unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, Runtime("tensorflow", device="gpu"))
    assert load_networks().precision == "float32"
    world = World(monkeypatch, Runtime("openvino"))
    monkeypatch.setattr(loading, "has_bfloat16", lambda: False)
    assert load_networks().precision == "float32"
    assert world.measured == 0
    assert load_networks(precision="bfloat16").precision == "bfloat16"


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/tmp/here")
    assert default_cache() == Path("/var/tmp/here/camwatch")
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache() == Path("/home/somebody/.cache/camwatch")


def test_a_user_without_a_home_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert default_cache() is None

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("openvino", reason="openvino is not installed: pip install 'camwatch[openvino]'")

from camwatch.engine import networks, openvino_runtime
from camwatch.engine.facenet import facenet_description
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
from camwatch.engine.runtime import Network

pytestmark = pytest.mark.weights


def network(name: str) -> Network:
    return next(each for each in (*mtcnn_descriptions(), facenet_description()) if each.name == name)


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were described, which means converted, since."""
    names = list[str]()
    real = openvino_runtime.OpenVinoBuilder

    def counted() -> Any:
        names.append("one")
        return real()

    monkeypatch.setattr(openvino_runtime, "OpenVinoBuilder", counted)
    return names


CROPS = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)


def answer(cache: Path | None) -> NDArray[np.float32]:
    return OpenVinoRuntime(cache=cache).compile(network("rnet"), "float32")(CROPS)


def test_a_second_start_reads_what_the_first_kept(tmp_path: Path, described: list[str]) -> None:
    cache = tmp_path / "not" / "there"
    first, second = answer(cache), answer(cache)
    assert np.array_equal(first, second) and np.array_equal(first, answer(None))
    assert len(described) == 2  # the first, and the one without a cache
    [folder] = cache.iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["network.bin", "network.xml", "note.json"]
    assert not [path for path in (cache, folder, *folder.iterdir()) if path.stat().st_mode & 0o077]


@pytest.mark.parametrize("name", ["network.bin", "network.xml", "note.json"])
@pytest.mark.parametrize("how", ["altered", "cut", "gone"])
def test_what_is_damaged_is_made_anew(tmp_path: Path, described: list[str], name: str, how: str) -> None:
    expected = answer(tmp_path)
    path = next(tmp_path.rglob(name))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(content if how == "altered" else content[:-30])
    assert np.array_equal(answer(tmp_path), expected)
    assert len(described) == 2
    assert np.array_equal(answer(tmp_path), expected)
    assert len(described) == 2
    assert len(list(tmp_path.iterdir())) == 1


def test_another_description_or_other_weights_are_kept_beside_it(
    tmp_path: Path, described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(tmp_path)
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (openvino_runtime,))
    answer(tmp_path)
    assert len(described) == len(list(tmp_path.iterdir())) == 2


def test_what_nobody_read_for_a_month_goes_when_another_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def old(folder: Path) -> None:
        os.utime(folder, times=(time.time() - 31 * 86400,) * 2)

    answer(tmp_path)
    [first] = tmp_path.iterdir()
    old(first)
    answer(tmp_path)  # reads it: still wanted
    (tmp_path / "precision.json").write_text("{}")
    old(tmp_path / "precision.json")
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (openvino_runtime,))
    answer(tmp_path)
    assert first.exists()
    old(first)
    somebodys = tmp_path / "notes"
    somebodys.mkdir()
    (somebodys / "note.json").write_text("{}")
    old(somebodys)
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (networks,))
    answer(tmp_path)
    assert not first.exists()
    left = [path.name for path in tmp_path.iterdir() if not path.name.startswith("rnet-")]
    assert sorted(left) == ["notes", "precision.json"]


def test_what_the_dead_left_unfinished_goes_once_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".new-k1ll_ed5" / "network").mkdir(parents=True)
    (tmp_path / ".new-folder").mkdir()  # not one of ours
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        ) as writer,
    ):
        assert writer.stdout is not None and writer.stdout.readline() == b"writing\n"
        answer(tmp_path)
        assert (tmp_path / ".new-k1ll_ed5").exists(), "it may be the other one's"
        writer.kill()
    monkeypatch.setattr(openvino_runtime, "_SOURCES", (networks,))
    answer(tmp_path)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".new-folder"]


WRITER = """
import sys
from pathlib import Path
from camwatch.engine.openvino_runtime import _writing
with _writing(Path(sys.argv[1])):
    (Path(sys.argv[1]) / ".new-k1ll_ed5" / "network").mkdir(parents=True)
    print("writing", flush=True)
    sys.stdin.readline()
"""


def test_files_of_networks_are_not_held_in_memory(tmp_path: Path) -> None:
    run = OpenVinoRuntime(cache=tmp_path).compile(network("facenet"), "bfloat16")
    run(np.zeros((1, 160, 160, 3), np.uint8))
    size = next(tmp_path.rglob("network.bin")).stat().st_size
    held = [area.split("Rss:")[1].split()[0] for area in memory_areas() if str(tmp_path) in area]
    assert size > 40e6
    assert held and sum(int(kilobytes) for kilobytes in held) * 1024 < size / 20


def memory_areas() -> list[str]:
    """What proc_pid_smaps(5) tells of each mapping, its name first."""
    return re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text(), flags=re.MULTILINE)


def test_one_that_vanishes_while_it_is_read_is_made_anew(
    tmp_path: Path, described: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = answer(tmp_path)
    next(tmp_path.rglob("network.xml")).unlink()
    monkeypatch.setattr(openvino_runtime, "_is_whole", lambda folder: True)
    assert np.array_equal(answer(tmp_path), expected)


def test_where_nothing_can_be_kept_it_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    expected = answer(None)
    for cache in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/no/such")):
        caplog.clear()
        runtime = OpenVinoRuntime(cache=cache)
        for _ in range(2):
            found = runtime.compile(network("rnet"), "float32")
        assert np.array_equal(found(CROPS), expected)
        [record] = caplog.records  # said once
        assert record.getMessage().startswith(f"{cache}: converted networks cannot be kept there: ")


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and nothing more can be written."""

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    return lambda: monkeypatch.setattr(tempfile, "mkdtemp", refuse)


def test_what_was_kept_is_read_though_nothing_more_can_be_kept(
    tmp_path: Path, described: list[str], full: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    expected = answer(tmp_path)
    full()
    runtime = OpenVinoRuntime(cache=tmp_path)
    runtime.compile(network("pnet"), "float32")
    described.clear()
    assert np.array_equal(runtime.compile(network("rnet"), "float32")(CROPS), expected)
    assert described == []
    runtime.compile(network("onet"), "float32")
    assert len(described) == len(caplog.records) == 1


def test_what_is_damaged_is_not_read_though_it_cannot_be_replaced(tmp_path: Path, full: Callable[[], None]) -> None:
    expected = answer(tmp_path)
    path = next(tmp_path.rglob("network.bin"))
    path.write_bytes(bytes(path.stat().st_size))
    full()
    assert np.array_equal(answer(tmp_path), expected)


def test_openvino_may_fail_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError

    expected = answer(None)
    monkeypatch.setattr(openvino_runtime.ov, "save_model", fail)
    assert np.array_equal(answer(tmp_path), expected)
    [record] = caplog.records
    assert record.getMessage().endswith("cannot be kept there: OpenVINO does not say why")


START = """
import json, sys
from pathlib import Path
import numpy as np
from camwatch.engine.mtcnn import mtcnn_descriptions
from camwatch.engine.openvino_runtime import OpenVinoRuntime
print("ready", flush=True)
sys.stdin.readline()
runtime = OpenVinoRuntime(cache=Path(sys.argv[1]))
print(json.dumps([runtime.compile(each, "float32")(np.full((1, 48, 48, 3), 99, np.uint8)[:, :side, :side]).tolist()
    for each, side in zip(mtcnn_descriptions(), (48, 24, 48))]))
"""


def test_two_that_start_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", START, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for each in starts:
        assert each.stdout is not None and each.stdout.readline() == "ready\n"
    for each in starts:  # both, before either is waited for
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    ended = [each.communicate(timeout=120) for each in starts]
    assert [(each.returncode, errors) for each, (_, errors) in zip(starts, ended, strict=True)] == [(0, "")] * 2
    assert ended[0] == ended[1]
    assert sorted(path.name.split("-")[0] for path in tmp_path.iterdir()) == ["onet", "pnet", "rnet"]

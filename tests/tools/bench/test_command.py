"""The command: what it refuses, and one small run of everything with the real networks."""

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from camwatch.errors import CamwatchError, InputError
from camwatch.tools.bench import command
from camwatch.tools.bench.command import bench
from camwatch.tools.bench.report import section, tables
from camwatch.tools.bench.team import Plan

DEFAULTS: dict[str, Any] = {
    "only": None,
    "threads": "1",
    "rounds": 1,
    "seconds": 0.0,
    "videos": [],
    "sizes": None,
    "min_faces": None,
    "runtimes": None,
    "precisions": None,
    "json_output": True,
}


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"only": "detect,speed"}, "--only: 'speed' is none of agreement, detect, embed"),
        ({"runtimes": "tensorflow,torch"}, "--runtime: 'torch' is none of tensorflow, openvino, jax"),
        ({"precisions": "int8"}, "--precision: 'int8' is none of float32, bfloat16"),
        ({"threads": "two"}, "--threads: 'two' is not a list of numbers from 1, such as 1,2"),
        ({"threads": "0"}, "--threads: '0'"),
        ({"min_faces": "40,"}, "--min-face: '40,' is not a list"),
        ({"min_faces": "11"}, "--min-face: '11' is not a list of numbers from 12"),
        ({"sizes": "640"}, "--size: '640' is not a list of sizes such as 640x360"),
        ({"sizes": "640x0"}, "--size: '640x0'"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_loaded(wrong: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        bench(**(DEFAULTS | wrong))
    assert str(refused.value).startswith(complaint)


def test_a_video_that_is_none_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "hall.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"hall\.mp4"):
        bench(**(DEFAULTS | {"videos": [tmp_path / "hall.mp4"]}))


def test_what_was_done_before_ctrl_c_is_printed(footage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(engines: Any, plan: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "handover", lambda **options: [])
    monkeypatch.setattr(command, "_starts", stopped)
    out = io.StringIO()
    status = bench(**(DEFAULTS | {"only": "handover,start"}), results=out, notes=io.StringIO())
    assert (status, [each["section"] for each in json.loads(out.getvalue())["results"]]) == (130, ["handover"])


def test_a_section_that_fails_does_not_take_the_others_with_it(footage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(**options: Any) -> Any:
        raise CamwatchError("bench: it died")

    monkeypatch.setattr(command, "handover", failing)
    monkeypatch.setattr(command, "_starts", lambda engines, plan: [])
    out, notes = io.StringIO(), io.StringIO()
    status = bench(**(DEFAULTS | {"only": "handover,start", "json_output": False}), results=out, notes=notes)
    assert status == 1
    assert "Failed: bench: it died" in out.getvalue() and "## Start" in out.getvalue()
    assert notes.getvalue().endswith("camwatch: handover: bench: it died\n")


@pytest.mark.parametrize("error", [CamwatchError("bench: mtcnn died"), InputError("bench: nothing to compare")])
def test_contestants_that_do_not_load_do_not_take_the_others_with_them(
    footage: Any, monkeypatch: pytest.MonkeyPatch, error: CamwatchError
) -> None:
    @contextmanager
    def failing(*_: Any) -> Iterator[None]:
        raise error
        yield

    monkeypatch.setattr(command, "team", failing)
    monkeypatch.setattr(command, "handover", lambda **options: [])
    out = io.StringIO()
    asked = {"only": "handover,detect,embed", "threads": "1,2"}
    assert bench(**(DEFAULTS | asked), results=out, notes=io.StringIO()) == 1
    found = [(each["section"], each["threads"], each.get("failed")) for each in json.loads(out.getvalue())["results"]]
    assert found[0] == ("handover", None, None)
    assert found[1:] == [(name, count, str(error)) for count in (1, 2) for name in ("detect", "embed")]


def test_nothing_to_measure_is_wrong_input(footage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def failing(*_: Any) -> Iterator[None]:
        raise InputError("bench: nothing to compare: jax is not installed")
        yield

    monkeypatch.setattr(command, "team", failing)
    with pytest.raises(InputError, match="nothing to compare"):
        bench(**(DEFAULTS | {"only": "detect"}), results=io.StringIO(), notes=io.StringIO())


@pytest.fixture
def deaf() -> Iterator[Callable[[int, Any], None]]:
    """What SIGTERM does outside of the command: nothing."""

    def ignore(number: int, frame: Any) -> None:
        pass

    before = signal.signal(signal.SIGTERM, ignore)
    yield ignore
    signal.signal(signal.SIGTERM, before)


def test_sigterm_ends_all_and_prints_what_was_done(
    footage: Any, monkeypatch: pytest.MonkeyPatch, deaf: Callable[[int, Any], None]
) -> None:
    left = []

    def terminated(engines: Any, plan: Any) -> Any:
        try:
            signal.raise_signal(signal.SIGTERM)
            raise AssertionError("it went on")
        finally:
            left.append(signal.getsignal(signal.SIGTERM))

    monkeypatch.setattr(command, "handover", lambda **options: [])
    monkeypatch.setattr(command, "_starts", terminated)
    out = io.StringIO()
    status = bench(**(DEFAULTS | {"only": "handover,start"}), results=out, notes=io.StringIO())
    assert (status, [each["section"] for each in json.loads(out.getvalue())["results"]]) == (143, ["handover"])
    assert left == [signal.SIG_IGN], "a second one must not interrupt the ending"
    assert signal.getsignal(signal.SIGTERM) is deaf


@pytest.mark.system
def test_sigterm_ends_the_contestants(footage: Any, no_leftovers: None) -> None:
    footage.path("multi_face.jpg")
    words = ["-m", "camwatch", "bench", "--only", "detect", "--runtime", "openvino", "--threads", "1"]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        try:
            assert "loading everybody" in process.stderr.readline()
            process.terminate()
            assert process.wait(30.0) == 143
            assert "interrupted" in process.stderr.read()
            assert "## Machine" in process.stdout.read()
        finally:
            process.kill()


def test_each_section_says_where_and_how_it_was_measured(footage: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "handover", lambda **options: [])
    monkeypatch.setattr(command, "_starts", lambda engines, plan: [])
    out = io.StringIO()
    bench(**(DEFAULTS | {"only": "handover,start", "rounds": 7}), results=out, notes=io.StringIO())
    for entry in json.loads(out.getvalue())["results"]:
        assert {"processor", "cores", "packages", "load_average", "load_average_after"} <= set(entry["machine"])
        assert (entry["settings"]["rounds"], entry["settings"]["footage"][0]) == (7, "multi_face.jpg")
        assert datetime.fromisoformat(entry["measured_at"]).tzinfo is not None and entry["camwatch"]


REAL = ("agreement", "detect", "pipeline", "memory", "handover")


@pytest.fixture(scope="module")
def told(footage: Any) -> Any:
    """What can be had from two contestants, on few small pictures, one round."""
    out, notes = io.StringIO(), io.StringIO()
    plan = Plan(batches=(1, 2), frames=8, scene_frames=8)
    asked = {"only": ",".join(REAL), "sizes": "320x180", "min_faces": "40"}
    asked |= {"runtimes": "tensorflow", "precisions": "float32"}
    status = bench(**(DEFAULTS | asked), results=out, notes=notes, plan=plan)
    assert status == 0, notes.getvalue()
    return json.loads(out.getvalue())


@pytest.mark.weights
def test_all_sections_are_there_in_a_fixed_form(told: Any) -> None:
    assert told["schema"] == 2
    results = {result["section"]: result for result in told["results"]}
    assert set(results) == set(REAL)
    assert [name for name, result in results.items() if "failed" in result] == []
    assert {result["threads"] for name, result in results.items() if name != "handover"} == {1}


@pytest.mark.weights
def test_everybody_found_the_same_faces(told: Any) -> None:
    results = {result["section"]: result for result in told["results"]}
    for whole in results["agreement"]["together"]:
        assert (whole["missed_asked"], whole["extra_asked"]) == (0, 0)
        assert whole["missed"] + whole["extra"] <= 0.1 * whole["faces"]  # lower than asked for: found by luck
        assert whole["asked"] >= 16 and whole["iou_median"] > 0.9
        assert whole["distinct"] >= 16 and whole["small"] >= 16
    for comparison in results["detect"]["comparisons"]:
        same = {row["label"]: row for row in comparison["same"]}
        ours = [row for label, row in same.items() if label.startswith("camwatch") and label.endswith("batch of 2")]
        assert ours and not any(row["missed"] for row in ours)
        assert {row["label"] for row in comparison["rows"]} == {"mtcnn, one by one", *same}


@pytest.mark.weights
def test_the_script_embeds_every_face_and_camwatch_decides(told: Any) -> None:
    [pipeline] = [result for result in told["results"] if result["section"] == "pipeline"]
    talk, quiet = pipeline["comparisons"]
    found = {row["label"]: row for row in talk["found"]}
    assert found["the script"]["faces"] == found["the script"]["embedded"] > 8
    for row in (row for label, row in found.items() if label.startswith("camwatch")):
        assert 0 < row["embedded"] <= row["faces"]
    assert {row["faces"] for row in quiet["found"]} == {0}


@pytest.mark.weights
def test_results_become_tables(told: Any) -> None:
    lines = tables(told)
    for name in {result["section"] for result in told["results"]}:
        assert f"## {name.capitalize()}" in lines
        assert len([line for line in section(told, name) if line.startswith("|")]) >= 3
    widths = [line.count("|") for line in lines if line.startswith("|")]
    assert min(widths) >= 3

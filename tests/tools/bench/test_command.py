"""The command: what it refuses, and one small run of everything with the real networks."""

import io
import json
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
    assert (told["schema"], told["settings"]["threads"]) == (1, [1])
    assert {"processor", "cores", "memory_gib", "load_average", "packages"} <= set(told["machine"])
    results = {result["section"]: result for result in told["results"]}
    assert set(results) == set(REAL)
    assert [name for name, result in results.items() if "failed" in result] == []
    assert {result["threads"] for name, result in results.items() if name != "handover"} == {1}


@pytest.mark.weights
def test_everybody_found_the_same_faces(told: Any) -> None:
    results = {result["section"]: result for result in told["results"]}
    for whole in results["agreement"]["together"]:
        assert (whole["missed"], whole["extra"]) == (0, 0)
        assert whole["faces"] >= 16 and whole["iou_median"] > 0.9
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

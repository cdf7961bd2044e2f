"""What becomes of the contestants' answers; the contestants are stand-ins, whose costs are told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest

from camwatch.tools.bench import sections
from camwatch.tools.bench.contest import Worker
from camwatch.tools.bench.material import LADDER, parse_size, walls
from camwatch.tools.bench.report import section
from camwatch.tools.bench.team import Plan, Team
from camwatch.tools.bench.timing import Cost
from camwatch.tools.bench.work import Task, Unable

FACE = (10.0, 10.0, 50.0, 50.0, 0.99)
RATES = {
    name: {"cpu": rate, "wall": rate}
    for name, rate in (
        ("matrix product float32", 100.0),
        ("3x3 192->192 float32", 90.0),
        ("matrix product bfloat16", 200.0),
        ("3x3 192->192 bfloat16", 400.0),
    )
}


class Stand:
    """A worker that answers what it is told to.

    Args:
        name: See `Worker`.
        milliseconds: What a turn costs.
        answers: By kind of task; who has none for a kind is unable to do it.
    """

    def __init__(self, name: str, milliseconds: float, **answers: Any) -> None:
        self.name, self.about = name, dict[str, str]()
        self.asked: list[Task] = []
        self._cost, self._answers = milliseconds / 1e3, answers

    def prepare(self, task: Task, slot: str = "", *, warm: int = 0) -> Any:
        self.asked.append(task)
        if task["kind"] not in self._answers:
            raise Unable(f"no {task['kind']}")
        answer = self._answers[task["kind"]]
        return answer(task) if callable(answer) else answer

    def turn(self, slot: str = "") -> Cost:
        return Cost(self._cost, 2 * self._cost)

    def clear(self) -> None:
        pass

    def memory(self) -> dict[str, float]:
        return {"now": 100.0, "peak": 120.0}


def faces(task: Task) -> list[list[tuple[float, ...]]]:
    return [[FACE] for _ in range(task["frames"])]


def team(*ours: Stand, mtcnn: Stand, precisions: Sequence[Stand] = (), machine: Stand | None = None) -> Team:
    @contextmanager
    def loaded() -> Iterator[Sequence[Worker]]:
        yield cast(Sequence[Worker], precisions)

    made = cast(tuple[Worker, ...], ours)
    return Team(made, loaded, cast(Worker, mtcnn), (), cast(Worker | None, machine), {})


PLAN = Plan(rounds=1, sizes=("640x360",), min_faces=(40,), batches=(1, 8), frames=8)


def lines(name: str, told: dict[str, Any]) -> str:
    """Its tables; that they can be drawn is part of every test here."""
    return "\n".join(section({"results": [{"section": name, "threads": 1} | told]}, name))


def test_who_misses_faces_is_told() -> None:
    blind = Stand("camwatch", 5, detect=lambda task: [[]] * task["frames"])
    told = sections.detect(team(blind, mtcnn=Stand("mtcnn", 50, detect=faces)), PLAN)
    [comparison] = told["comparisons"]
    assert {row["label"]: row["missed"] for row in comparison["same"]} == {
        "mtcnn, batch of 8": 0,
        "camwatch, one by one": 8,
        "camwatch, batch of 8": 8,
    }
    assert {(pair["ours"], pair["rival"]): pair["cpu"]["median"] for pair in comparison["ratios"]}[
        "camwatch, batch of 8", sections.LOOP
    ] == pytest.approx(10)
    assert "| 640x360 | 40 | camwatch, batch of 8 | 8 | 8 | 0 |" in lines("detect", told)


def test_agreement_tells_how_many_faces_are_different_and_how_small(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((40, 40, 3), 255, np.uint8))

    def found(task: Task) -> list[list[tuple[float, ...]]]:
        assert task["walls"]
        shown = walls(parse_size(task["size"]), [tmp_path / "a.png"])
        assert len(shown) == task["frames"]
        return [[(p.left, p.top, p.left + p.width, p.top + p.height, 0.99) for p in w.panels] for w in shown]

    ours = Stand("camwatch", 5, detect=found)
    plan = replace(PLAN, files=(tmp_path / "a.png",), min_faces=(20, 40))
    told = sections.agree(team(ours, mtcnn=Stand("mtcnn", 50, detect=found)), plan)
    heights = [height for height in LADDER if height <= 180]
    asked = sum(height >= 20 for height in heights) + sum(height >= 40 for height in heights)
    [whole] = told["together"]
    assert (whole["faces"], whole["distinct"]) == (2 * len(heights), 1)
    assert (whole["smallest"], whole["small"]) == (27, 2 * sum(height < 60 for height in heights))
    assert (
        f"| camwatch | all | all | {whole['faces']} | 1 | {whole['small']} | 27 | 0 | 0 | {asked} | 0 | 0 | 1.000 |"
        in lines("agreement", told)
    )


def test_embeddings_are_of_the_same_chips_and_compared_with_float32() -> None:
    turned = np.array([[0.6, 0.8]], np.float32)
    exact = Stand("camwatch float32", 30, embed=[[1.0, 0.0]] * 8)
    fast = Stand("camwatch bfloat16", 15, embed=(turned.repeat(8, 0)).tolist())
    mtcnn = Stand("mtcnn", 30, detect=faces, embed=[[1.0, 0.0]] * 8)
    told = sections.embed(team(exact, mtcnn=mtcnn, precisions=(exact, fast)), PLAN)
    assert told["faces"] == 8
    boxes = [task["boxes"] for stand in (exact, fast, mtcnn) for task in stand.asked if task["kind"] == "embed"]
    assert len(boxes) == 5 and all(each == boxes[0] for each in boxes)
    cosines = {(row["label"], row["to"]): row["cosine_min"] for row in told["alike"]}
    assert cosines["camwatch bfloat16, batch of 8", "camwatch float32, batch of 8"] == pytest.approx(0.6)
    assert "| camwatch bfloat16, batch of 8 | 15.0 (15.0-15.0) | 30.0 (30.0-30.0) | 2.0 (2.0) | 2.0 (2.0) |" in lines(
        "embed", told
    )


def test_who_cannot_take_part_is_told_with_the_reason() -> None:
    told = sections.embed(
        team(mtcnn=Stand("mtcnn", 30, detect=faces), precisions=[Stand("other", 1, embed=[[1.0]] * 8)]), PLAN
    )
    assert told["not_run"] == [{"label": "packaged graph, one by one", "reason": "no embed"}]


@pytest.mark.weights
def test_the_floor_is_the_arithmetic_at_the_best_rate() -> None:
    work = {"rnet_crops": 0.0, "onet_crops": 0.0, "facenet_flops": 2.8e9}
    profile = [{"function": "engine/mtcnn.detect", "calls": 1.0, "own_ms": 1.0, "whole_ms": 4.0}]
    ours = Stand("camwatch", 5, detect=faces, profile=profile)
    told = sections.floor(
        team(ours, mtcnn=Stand("mtcnn", 50, work=work), machine=Stand("machine", 1, rates=RATES)), PLAN
    )
    assert told["face"] == {"gflop": pytest.approx(2.8), "floor_ms": {"float32": 28.0, "bfloat16": 7.0}}
    [frame] = told["frames"]
    assert (frame["gflop"]["rnet"], frame["gflop"]["onet"]) == (0, 0)
    assert frame["floor_ms"]["float32"] == pytest.approx(frame["gflop"]["pnet"] / 100 * 1e3)
    assert "`engine/mtcnn.detect`" in lines("floor", told)
    assert "best rates: matrix product float32 and 3x3 192->192 bfloat16." in lines("floor", told)


def test_growth_goes_over_cameras_faces_and_sizes() -> None:
    ours = Stand("camwatch", 5, detect=faces, crowd={"faces": 0})
    script = Stand("mtcnn", 50, detect=faces, crowd={"faces": 0})
    told = sections.growth(team(ours, mtcnn=script), PLAN)
    places = {by: [line["value"] for line in told["lines"] if line["by"] == by] for by in ("cameras", "faces", "size")}
    assert (places["cameras"][-1], places["faces"][0], places["faces"][-1]) == (32, 0, 16)
    assert places["size"][-1] == "3840x2160"
    assert "| faces | 16 | camwatch |" in lines("growth", told)
    by_cameras = [task for task in ours.asked if task["kind"] == "detect" and task["batch"] > 1]
    assert {task["frames"] for task in by_cameras} == {32}, "the same pictures for any number of cameras"
    labels = {by: {row["label"] for line in told["lines"] if line["by"] == by for row in line["rows"]} for by in places}
    assert labels["faces"] == {"camwatch", sections.SCRIPT}
    assert labels["size"] == {"camwatch", sections.LOOP}
    assert {pair["rival"] for line in told["lines"] for pair in line["ratios"]} == {sections.SCRIPT, sections.LOOP}


def test_memory_of_everybody() -> None:
    told = sections.memory(team(Stand("camwatch", 1), mtcnn=Stand("mtcnn", 1)), PLAN)
    assert "resident MB " in lines("memory", told)
    assert "| camwatch | 100 | 120 |" in lines("memory", told) and "| mtcnn | 100 | 120 |" in lines("memory", told)


def test_memory_of_who_is_gone_is_a_dash() -> None:
    gone = Stand("camwatch", 1)
    gone.memory = dict  # type: ignore[method-assign]
    assert "| camwatch | - | - |" in lines("memory", sections.memory(team(gone, mtcnn=Stand("mtcnn", 1)), PLAN))

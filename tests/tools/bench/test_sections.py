"""What becomes of the contestants' answers; the contestants are stand-ins, whose costs are told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import pytest

from camwatch.tools.bench import sections
from camwatch.tools.bench.contest import Worker
from camwatch.tools.bench.report import section
from camwatch.tools.bench.team import Plan, Team
from camwatch.tools.bench.timing import Cost
from camwatch.tools.bench.work import Task, Unable

FACE = (10.0, 10.0, 50.0, 50.0, 0.99)
RATES = {
    f"matrix product {kind}": {"cpu": rate, "wall": rate} for kind, rate in (("float32", 100.0), ("bfloat16", 200.0))
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


def test_agreement_looks_at_twice_the_pictures() -> None:
    ours = Stand("camwatch", 5, detect=faces)
    told = sections.agree(team(ours, mtcnn=Stand("mtcnn", 50, detect=faces)), PLAN)
    assert [whole["faces"] for whole in told["together"]] == [16]
    assert "| camwatch | all | all | 16 | 0 | 0 | 1.000 |" in lines("agreement", told)


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
def test_the_floor_is_the_arithmetic_at_the_rate_of_a_matrix_product() -> None:
    work = {"rnet_crops": 0.0, "onet_crops": 0.0, "facenet_flops": 2.8e9}
    profile = [{"function": "engine/mtcnn.detect", "calls": 1.0, "own_ms": 1.0, "whole_ms": 4.0}]
    ours = Stand("camwatch", 5, detect=faces, profile=profile)
    told = sections.floor(
        team(ours, mtcnn=Stand("mtcnn", 50, work=work), machine=Stand("machine", 1, rates=RATES)), PLAN
    )
    assert told["face"] == {"gflop": pytest.approx(2.8), "floor_ms": {"float32": 28.0, "bfloat16": 14.0}}
    [frame] = told["frames"]
    assert (frame["gflop"]["rnet"], frame["gflop"]["onet"]) == (0, 0)
    assert frame["floor_ms"]["float32"] == pytest.approx(frame["gflop"]["pnet"] / 100 * 1e3)
    assert "`engine/mtcnn.detect`" in lines("floor", told)


def test_growth_goes_over_cameras_faces_and_sizes() -> None:
    ours = Stand("camwatch", 5, detect=faces, crowd={"faces": 0})
    script = Stand("mtcnn", 50, detect=faces, crowd={"faces": 0})
    told = sections.growth(team(ours, mtcnn=script), PLAN)
    places = {by: [line["value"] for line in told["lines"] if line["by"] == by] for by in ("cameras", "faces", "size")}
    assert (places["cameras"][-1], places["faces"][0], places["faces"][-1]) == (32, 0, 16)
    assert places["size"][-1] == "3840x2160"
    assert "| faces | 16 | camwatch |" in lines("growth", told)


def test_memory_of_everybody() -> None:
    told = sections.memory(team(Stand("camwatch", 1), mtcnn=Stand("mtcnn", 1)), PLAN)
    assert "| camwatch | 100 | 120 |" in lines("memory", told) and "| mtcnn | 100 | 120 |" in lines("memory", told)

"""What one live run makes of the daemon's counters and of the names that came; nothing is started."""

from typing import Any

import psutil
import pytest

from benchmarks import cameras_run, cameras_scene
from benchmarks.cameras_figures import Load, parse

LOADS = {kind: [Load(0.1, 50.0, 40.0, 2.0, 10.0)] for kind in ("main", "inference", "reader")}


def samples(*, captured: int = 600, restarts: int = 0) -> str:
    return f"""
camwatch_frames_captured_total{{camera="a"}} {captured}
camwatch_frames_total{{camera="a",outcome="idle"}} {captured}
camwatch_process_restarts_total{{process="reader"}} {restarts}
camwatch_process_restarts_total{{process="inference"}} 0
"""


def named(*people: str | None) -> list[tuple[dict[str, Any], float]]:
    kind = {True: "recognized", False: "unknown"}
    return [({"event_type": kind[person is not None], "person": person}, 0.5) for person in people]


@pytest.mark.parametrize(
    ("text", "people", "why_not"),
    [
        (samples(), (cameras_scene.PERSON,), []),
        (samples(), (cameras_scene.PERSON, None), []),
        (samples(), (cameras_scene.PERSON, "Kim"), ["Kim named 1 times, who was not there"]),
        (samples(restarts=2), (cameras_scene.PERSON,), ["reader restarted"]),
        (samples(captured=581), (cameras_scene.PERSON,), ["96.8% of the frames sent were captured"]),
        (samples(captured=582), (cameras_scene.PERSON,), []),
    ],
)
def test_one_camera_holds_or_not(text: str, people: tuple[str | None, ...], why_not: list[str]) -> None:
    plan = cameras_run.Plan(cameras=2, doors=1, seconds=60)
    result = cameras_run._result(plan, 60.0, 8.0, 1.0, LOADS, parse(text), named(*people))
    assert (result.why_not, result.held) == (why_not, not why_not)
    assert result.due == 600


def test_a_process_that_is_gone_has_no_sample() -> None:
    child = psutil.Popen(["true"])
    child.wait()
    assert cameras_run._process(child) is None
    assert cameras_run._sample({"main": [psutil.Process()]})["main"][0] is not None

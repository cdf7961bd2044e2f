import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from camwatch.engine.scripted import ScriptedAnalyzer
from camwatch.pipeline import CameraRules, Decider, observe
from camwatch.records import EventType, Frame, Observation, Worth
from tests.identification.scene import START, frame, person, recognizer, stay, told

ALICE, STRANGER = person(1), person(2)
BLANK = np.zeros((480, 640, 3), np.uint8)
RULES = {"door": CameraRules(), "yard": CameraRules()}


def moved(observations: list[Observation], camera: str) -> list[Observation]:
    """The same observations as of another camera, numbered."""
    return [
        Observation(camera, seq, one.captured_at, one.monotonic, one.width, one.height, one.faces)
        for seq, one in enumerate(observations)
    ]


def frames_of(observations: list[Observation]) -> list[Frame]:
    return [Frame(one.camera, one.seq, one.captured_at, one.monotonic, None, BLANK) for one in observations]


def test_frames_become_events() -> None:
    script = moved(stay(ALICE), "door") + moved(stay(STRANGER), "yard")
    script.sort(key=lambda one: one.captured_at)
    decider = Decider(RULES, node="nvr", recognizer=recognizer(alice=ALICE))
    events = []
    for observation in observe(ScriptedAnalyzer(script), frames_of(script)):
        events += decider.decide(observation)
    for camera in RULES:
        events += decider.flush(camera, START + 2)
    assert {(event.camera, event.event_type, event.person) for event in events} == {
        ("door", EventType.RECOGNIZED, "alice"),
        ("door", EventType.ENDED, "alice"),
        ("yard", EventType.UNKNOWN, None),
        ("yard", EventType.ENDED, None),
    }


def test_no_frames_ask_nothing_of_the_analyzer_and_sizes_are_passed_on() -> None:
    asked = []

    class Spy:
        def analyze(
            self, frames: Sequence[Frame], *, min_face: Mapping[str, int] | None = None, worth: Worth | None = None
        ) -> list[Observation]:
            asked.append(min_face)
            return [frame(0.0) for _ in frames]

    assert observe(Spy(), []) == [] and asked == []
    observe(Spy(), frames_of([frame(0.0)]), min_face={"door": 60})
    assert asked == [{"door": 60}]


def test_cameras_decide_apart_by_rules_of_their_own() -> None:
    rules = {"door": CameraRules(threshold=0.99, visit_gap=1.0), "yard": CameraRules()}
    decider = Decider(rules, node="nvr", recognizer=recognizer(alice=ALICE))
    said = {
        camera: told([event for one in moved(stay(ALICE), camera) for event in decider.decide(one)]) for camera in rules
    }
    assert said == {"door": [], "yard": [("recognized", "alice")]}
    ended = {camera: told(decider.advance(camera, START + 4)) for camera in rules}
    assert ended == {"door": [("unknown", None), ("ended", None)], "yard": []}, "only the door's gap is over"
    assert decider.presence("yard").present == ("alice",)


def test_states_are_facts_of_every_camera() -> None:
    decider = Decider(RULES, node="nvr", recognizer=recognizer(alice=ALICE))
    for one in moved(stay(ALICE), "door"):
        decider.decide(one)
    (door, seen, visits), (yard, nothing, none) = decider.states()
    assert (door.camera, door.present, door.last_person, door.last_seen) == ("door", ("alice",), "alice", START + 2)
    assert (seen, visits) == ({"alice": START + 2}, 1)
    assert (yard.camera, yard.present, yard.last_seen, nothing, none) == ("yard", (), None, {}, 0)


def test_the_gallery_may_come_later() -> None:
    decider = Decider(RULES, node="nvr")
    decider.replace_recognizer(recognizer(alice=ALICE))
    events = [event for one in moved(stay(ALICE), "door") for event in decider.decide(one)]
    assert told(events) == [("recognized", "alice")]


def test_a_camera_that_asks_for_more_or_less_than_the_others_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def told_of() -> list[str]:
        said = [one.getMessage().split("; ")[0] for one in caplog.records]
        caplog.clear()
        return said

    rules = {"door": CameraRules(threshold=0.62), "yard": CameraRules()}
    with caplog.at_level(logging.INFO):
        decider = Decider(rules, node="nvr")
        assert told_of() == [], "nobody to be named yet"
        decider.replace_recognizer(recognizer(alice=ALICE))
        assert told_of() == ["door: a name needs a similarity of 0.62"]
        decider.change(rules | {"door": CameraRules(threshold=0.62, visit_gap=9.0)})
        assert told_of() == []
        decider.change(rules | {"yard": CameraRules(threshold=0.5), "gate": CameraRules(), "lane": rules["door"]})
        needs = "a name needs a similarity of"
        assert told_of() == [f"yard: {needs} 0.50", f"lane: {needs} 0.62"]
        decider.change(rules)
        assert told_of() == ["yard: a name needs a similarity of 0.49"], "as the others again"


def test_an_unknown_camera_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        Decider(RULES, node="nvr").decide(frame(0.0, camera="roof"))


def test_rules_and_cameras_change_while_visits_go_on() -> None:
    decider = Decider(RULES, node="nvr", recognizer=recognizer(alice=ALICE))
    said = [event for one in moved(stay(ALICE), "door") for event in decider.decide(one)]
    decider.change({"door": CameraRules(visit_gap=20.0), "attic": CameraRules()})
    assert told(decider.advance("door", START + 12)) == [], "the new gap counts, also for a visit that was open before"
    said += decider.advance("door", START + 23)
    assert told(said) == [("recognized", "alice"), ("ended", "alice")]
    new = [event for one in moved(stay(ALICE), "attic") for event in decider.decide(one)]
    assert told(new) == [("recognized", "alice")], "a new camera has the present gallery"
    with pytest.raises(KeyError):
        decider.presence("yard")


def test_another_threshold_counts_from_the_next_face_on() -> None:
    decider = Decider({"door": CameraRules(threshold=0.99)}, node="nvr", recognizer=recognizer(alice=ALICE))
    first, second = stay(ALICE, seconds=0.6), stay(ALICE, begin=0.8, seconds=1)
    assert told([event for one in moved(first, "door") for event in decider.decide(one)]) == []
    decider.change({"door": CameraRules(threshold=0.5)})
    assert told([event for one in moved(second, "door") for event in decider.decide(one)]) == [("recognized", "alice")]

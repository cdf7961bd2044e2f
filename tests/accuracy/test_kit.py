"""The whole path on real faces: the figures that are promised, and what is promised of every event."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.identification.classifier import Classifier
from camwatch.identification.faces import PhotoFile
from camwatch.records import Event, EventType
from camwatch.tools.dataset import embed_dataset
from tests.accuracy import kit
from tests.accuracy.gate import check
from tests.identification.scene import check_contract

pytestmark = [pytest.mark.weights, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def outcome(analyzer: FaceAnalyzer, eval_kit: Path) -> kit.Outcome:
    return kit.run(analyzer, eval_kit)


@pytest.fixture(scope="module")
def score(outcome: kit.Outcome, eval_kit: Path) -> dict[str, Any]:
    return kit.score(eval_kit, outcome.pred)


def test_the_kit_gives_the_figures_that_are_expected(outcome: kit.Outcome, score: dict[str, Any]) -> None:
    check("kit", kit.figures(score, outcome.events))


def test_enrolled_people_are_found_and_strangers_are_not(score: dict[str, Any]) -> None:
    lfw = score["lfw"]
    assert lfw["TPIR"] >= 0.973 and lfw["FPIR"] <= 0.010 and lfw["misidentified"] == 0


def test_faces_of_40_pixels_behind_jpeg(score: dict[str, Any]) -> None:
    cctv = score["cctv 40px"]
    assert cctv["TPIR"] >= 0.80 and cctv["FPIR"] == 0 and cctv["misidentified"] == 0


def test_group_photos(score: dict[str, Any]) -> None:
    photos = score["photos"]
    assert photos["detected"] == 1.0 and photos["named_right"] >= 34
    assert photos["named_wrong"] == 0 and photos["unknown_named"] == 0


def test_visits_in_videos_are_named_once_and_rightly(score: dict[str, Any]) -> None:
    videos = score["videos"]
    assert videos["recognised"] >= 8, videos["detail"]
    assert videos["false_names"] == 0 and videos["repeated_events"] == 0, videos["detail"]


def test_events_of_every_video_keep_their_promises(outcome: kit.Outcome) -> None:
    assert sum(map(len, outcome.events.values())) > 20
    for events in outcome.events.values():
        check_contract(events)


def test_few_faces_are_embedded(outcome: kit.Outcome) -> None:
    embedded, faces = map(sum, zip(*outcome.embedded.values(), strict=True))
    assert faces > 550 and embedded < 0.4 * faces
    sitting = outcome.embedded["video/desk_man.mp4"]
    assert sitting[0] < 0.2 * sitting[1], "half a minute of one who is known"


def test_the_door_has_five_visits_each_decided_once(outcome: kit.Outcome) -> None:
    by_visit: dict[str, list[Event]] = {}
    for event in outcome.events["video/door.mp4"]:
        by_visit.setdefault(event.visit_id, []).append(event)
    said = [[(event.event_type, event.person) for event in events] for events in by_visit.values()]
    recognized, unknown, ended = EventType.RECOGNIZED, EventType.UNKNOWN, EventType.ENDED
    blair = [(recognized, "Tony_Blair"), (ended, "Tony_Blair")]
    clinton = [(recognized, "Bill_Clinton"), (ended, "Bill_Clinton")]
    stranger = [(unknown, None), (ended, None)]
    assert said == [blair, stranger, clinton, stranger, blair]


def test_nothing_is_said_of_tiny_faces_and_of_no_faces(outcome: kit.Outcome) -> None:
    assert {(event.event_type, event.reason) for event in outcome.events["video/classroom_tiny_faces.mp4"]} == {
        (EventType.ENDED, "too_small")
    }
    assert outcome.events["video/store_no_faces.mp4"] == []


def test_train_and_classify_know_whom_the_gallery_knows(analyzer: FaceAnalyzer, eval_kit: Path) -> None:
    lfw = json.loads((eval_kit / "labels.json").read_text())["lfw"]

    def embedded(pictures: list[tuple[str, str]]) -> tuple[NDArray[np.float32], list[str]]:
        photos = [PhotoFile(person, eval_kit / file, f"{number}") for number, (person, file) in enumerate(pictures)]
        found = embed_dataset(analyzer, photos, aligned=False, note=lambda *_: None, done=lambda _: None)
        return np.stack([one.embedding for one in found]), [one.photo.person for one in found]

    rows, labels = embedded([(person, file) for person, files in lfw["gallery"].items() for file in files])
    model = Classifier.fit(rows, labels, network=analyzer.network)

    def share(part: str, strangers: str) -> tuple[float, float]:
        rows, people = embedded([(one["person"], one["file"]) for one in lfw[part]])
        right = sum(said.known and said.person == true for said, true in zip(model.classify(rows), people, strict=True))
        rows, _ = embedded([("?", one["file"]) for one in lfw[strangers]])
        return right / len(lfw[part]), sum(said.known for said in model.classify(rows)) / len(lfw[strangers])

    found, named = share("probes", "unknown")
    assert found >= 0.98 and named <= 0.010  # 182 of 185
    found, named = share("cctv_probes", "cctv_unknown")
    assert found >= 0.78 and named <= 0.02  # 76 of 96

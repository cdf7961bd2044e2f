"""The path in one process, on scripted faces: events, and what is drawn beside each face."""

from collections.abc import Sequence

import numpy as np
import pytest

from camwatch.capture.decode import RawFrame
from camwatch.capture.synthetic import SyntheticSource
from camwatch.engine.scripted import ScriptedAnalyzer
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.visit import Followed
from camwatch.publishing.memory import MemorySink
from camwatch.records import Box, Detection, Embedding, Enrolled, Face, Observation, Quality
from camwatch.tools.annotation import Painter
from camwatch.tools.feed import Taken, recorded
from camwatch.tools.watcher import Watcher

GREY = np.zeros((360, 640, 3), np.uint8)
GOOD = Quality(120.0, 200.0, 0.0, 0.9)
ANN, EVE = np.eye(512, dtype=np.float32)[:2]


def face(looks: Embedding, x: float) -> Face:
    return Face(Detection(Box(x, 60.0, x + 100, 180.0), ((x + 50, 100.0),) * 5, 0.99), GOOD, None, looks)


class Sheet(Painter):
    """Notes what would be drawn: by time, the words beside the faces from left to right."""

    def __init__(self) -> None:
        super().__init__([lambda t, picture: None])
        self.words: dict[float, list[str]] = {}
        self.frames = 0

    def frame(self, raw: RawFrame) -> None:
        self.frames += 1

    def analyzed(self, raw: RawFrame, faces: Sequence[Followed]) -> None:
        by_place = sorted(faces, key=lambda one: one.box.x1)
        said = [one.person or ("unknown" if one.unknown else "?") for one in by_place]
        self.words[round(raw.captured_at, 2)] = said


def make(script: dict[int, list[Face]], sheet: Painter) -> tuple[Watcher, MemorySink]:
    """A watcher that sees what the script says is in which frame."""
    seen = [Observation("door", seq, 0.0, 0.0, 640, 360, tuple(faces)) for seq, faces in script.items()]
    recognizer = Recognizer(Gallery([Enrolled("Ann", "a.jpg", "0", ANN[None], GOOD)], "scripted"))
    sink = MemorySink()
    return Watcher("door", ScriptedAnalyzer(seen), recognizer, sink, sheet, node="test", min_face=40), sink


def play(script: dict[int, list[Face]], count: int, sheet: Painter) -> tuple[Watcher, MemorySink]:
    """Frames at 10 a second, half of them analysed."""
    watcher, sink = make(script, sheet)
    assert not watcher.began
    for batch in recorded(SyntheticSource([GREY] * count, fps=10.0), 5.0, whole=not sheet.idle):
        watcher.take(batch)
    watcher.end()
    return watcher, sink


def test_names_stand_beside_the_right_faces() -> None:
    sheet = Sheet()
    watcher, sink = play({seq: [face(EVE, 400.0), face(ANN, 100.0)] for seq in range(0, 60, 2)}, 60, sheet)
    assert sheet.words[0.0] == ["?", "?"]
    assert sheet.words[0.8] == ["Ann", "?"]
    assert sheet.words[5.8] == ["Ann", "unknown"]
    assert len(sheet.words) == 30 and sheet.frames == 30
    assert watcher.summary() == "5.9 s, 30 frames, 60 faces; visits: Ann, unknown"
    assert [event.decided_at for event in sink.events if event.event_type == "ended"] == pytest.approx([5.9, 5.9])


def test_who_comes_back_within_the_visit_has_the_name_at_once_and_later_not() -> None:
    script = {seq: [face(ANN, 100.0)] for seq in (*range(0, 20, 2), *range(50, 60, 2), *range(150, 152, 2))}
    sheet = Sheet()
    watcher, sink = play(script, 160, sheet)
    assert sheet.words[1.8] == ["Ann"] and sheet.words[5.0] == ["Ann"] and sheet.words[15.0] == ["?"]
    assert [event.event_type.value for event in sink.events] == ["recognized", "ended"]
    assert watcher.summary().endswith("visits: Ann")


def test_events_do_not_depend_on_whether_pictures_are_drawn() -> None:
    script = {seq: [face(ANN, 100.0)] for seq in range(0, 20, 2)}
    _, drawn = play(script, 45, Sheet())
    _, plain = play(script, 45, Painter([]))
    assert [(e.event_id, e.decided_at) for e in drawn.events] == [(e.event_id, e.decided_at) for e in plain.events]


def test_damaged_frames_are_counted_and_left_out() -> None:
    watcher, sink = make({}, Painter([]))
    frames = [Taken(raw, seq, True) for seq, raw in enumerate(SyntheticSource([GREY] * 3, fps=5.0).frames())]
    watcher.take([*frames, Taken(RawFrame(0.6, 0.6, 0.6, True, None), 3, True)])
    watcher.end()
    assert watcher.summary() == "0.6 s, 3 frames, 0 faces, 1 damaged frames left out; visits: none"
    assert sink.events == []


def test_few_faces_of_one_who_stays_are_embedded_and_two_runs_are_alike() -> None:
    script = {seq: [face(ANN, 100.0)] for seq in range(0, 600, 2)}
    runs = [play(script, 600, Painter([]))[1].events for _ in range(2)]
    assert [(e.event_type.value, e.faces_seen) for e in runs[0]] == [("recognized", 3), ("ended", 300)]
    assert runs[0][1].faces_used < 40
    facts = [[(e.event_id, e.score, e.faces_used, e.quality, e.decided_at) for e in run] for run in runs]
    assert facts[0] == facts[1]

"""Runs the product's own classes over an evaluation kit and writes what they say, for the kit's scorer.

    python -m tests.accuracy.kit KIT pred.json      then      python KIT/score_kit.py KIT pred.json

A kit is a folder with `labels.json`: `lfw` (gallery, probes, unknown, cctv_probes, cctv_unknown), `photo_gallery` with
`photos`, and `video_gallery` with `videos`; `score_kit.py` beside it says what `pred.json` holds. Stills are searched
face by face; videos run at 5 analysed frames a second through sampling, analyzer and `Decider`, as in the daemon.
"""

import contextlib
import importlib.util
import io
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from camwatch.capture.file import FileSource
from camwatch.capture.motion import MotionGate
from camwatch.capture.sampling import FrameSampler
from camwatch.capture.selection import select
from camwatch.engine.analyzer import FaceAnalyzer
from camwatch.engine.photos import enroll_photo, read_photo
from camwatch.errors import PhotoError
from camwatch.identification.attention import Attention
from camwatch.identification.evidence import Gates
from camwatch.identification.gallery import Gallery
from camwatch.identification.recognizer import Recognizer
from camwatch.pipeline import CameraRules, Decider, observe
from camwatch.records import Enrolled, Event, EventType, Frame, Observation

FPS = 5.0
MIN_FACE = 20
"""Pixels, of a picture up to 1280 wide; larger ones are searched for faces larger by as much."""
NAMED_FROM = 30.0
"""Pixels of box height; the kit has faces that small, though the default of the product is 40."""
_BATCH = 16
_VIDEO_BATCH = 4  # a camera's frames that wait in its ring at most: what is known of a face comes so late


@dataclass(slots=True)
class Watched:
    """What came of one recording: its events, how many faces were seen, how many of them embedded."""

    events: list[Event] = field(default_factory=list)
    faces: int = 0
    embedded: int = 0


@dataclass(slots=True)
class Outcome:
    """What the product said: `pred` as the scorer reads it, `events` by video, and what could not be enrolled.

    `embedded` is by video, too: faces embedded, and faces in all.
    """

    pred: dict[str, Any] = field(default_factory=lambda: {"images": {}, "videos": {}})
    events: dict[str, list[Event]] = field(default_factory=dict)
    embedded: dict[str, tuple[int, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def run(analyzer: FaceAnalyzer, kit: Path) -> Outcome:
    """Enroll the kit's galleries, then search its stills and watch its videos."""
    labels = json.loads((kit / "labels.json").read_text())
    outcome = Outcome()
    lfw_people = _enroll(analyzer, kit, labels["lfw"]["gallery"], outcome)
    photo_people = _enroll(analyzer, kit, labels["photo_gallery"], outcome)
    video_people = _enroll(analyzer, kit, labels["video_gallery"], outcome)
    lfw = labels["lfw"]
    probes = [one["file"] for part in ("probes", "unknown", "cctv_probes", "cctv_unknown") for one in lfw[part]]
    _stills(analyzer, kit, probes, Recognizer(Gallery(lfw_people, analyzer.network)), outcome)
    photos = [one["file"] for one in labels["photos"]]
    _stills(analyzer, kit, photos, Recognizer(Gallery(photo_people, analyzer.network)), outcome)
    watching = Recognizer(Gallery([*video_people, *lfw_people], analyzer.network))
    for video in labels["videos"]:
        watched = watch(analyzer, kit / video, watching)
        outcome.events[video], outcome.embedded[video] = watched.events, (watched.embedded, watched.faces)
        outcome.pred["videos"][video] = visits(watched.events)
    return outcome


def score(kit: Path, pred: Mapping[str, Any]) -> dict[str, Any]:
    """What the kit's own scorer makes of `Outcome.pred`."""
    spec = importlib.util.spec_from_file_location("score_kit", kit / "score_kit.py")
    assert spec is not None and spec.loader is not None
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file, contextlib.redirect_stdout(io.StringIO()):
        json.dump(pred, file)
        file.flush()
        return dict(scorer.main(str(kit), file.name))


def waits(events: Iterable[Event]) -> list[float]:
    """Seconds of the recording from the first usable face of each named visit to its name."""
    named = [event for event in events if event.event_type is EventType.RECOGNIZED and event.account is not None]
    return [event.decided_at - event.account.faces[0].seen for event in named if event.account and event.account.faces]


def figures(scored: Mapping[str, Any], events: Mapping[str, Sequence[Event]]) -> dict[str, float]:
    """What the accuracy gate compares: the scorer's figures, and how long names took."""
    stills = {"stills": scored["lfw"], "40 pixels": scored["cctv 40px"]}
    told = {
        f"{label}: {name}": float(part[key])
        for label, part in stills.items()
        for name, key in (("found", "TPIR"), ("misnamed", "misidentified"), ("strangers named", "FPIR"))
    }
    photos, videos = scored["photos"], scored["videos"]
    told |= {
        "group photos: faces found, share": float(photos["detected"]),
        "group photos: named rightly": float(photos["named_right"]),
        "group photos: named wrongly": float(photos["named_wrong"] + photos["unknown_named"]),
        "clips: visits named": float(videos["recognised"]),
        "clips: false names": float(videos["false_names"]),
        "clips: repeated events": float(videos["repeated_events"]),
    }
    seconds = [wait for said in events.values() for wait in waits(said)]
    return told | {f"clips: seconds to the name, p{at}": float(np.percentile(seconds, at)) for at in (50, 95)}


def batches(video: Path, *, fps: float = FPS) -> Iterator[list[Frame]]:
    """All due frames of a recording; times are seconds from its start."""
    source = FileSource(str(video), start_at=0.0)
    try:
        chosen = select(source, FrameSampler(fps), MotionGate(enabled=False))
        frames = (
            Frame("kit", seq, one.raw.captured_at, one.raw.monotonic, one.raw.pts, one.raw.rgb())
            for seq, one in enumerate(chosen)
            if one.outcome == "analyze"
        )
        while batch := list(islice(frames, _VIDEO_BATCH)):
            yield batch
    finally:
        source.close()


def watch(
    analyzer: FaceAnalyzer, video: Path, recognizer: Recognizer, *, fps: float = FPS, everything: bool = False
) -> Watched:
    """The events of one recording, to its end; `everything` embeds every face, as if nobody were known already."""
    decider = Decider({"kit": CameraRules(min_face=NAMED_FROM)}, node="kit", recognizer=recognizer)
    attention = None if everything else Attention({"kit": Gates(min_height=NAMED_FROM)})
    watched, last = Watched(), 0.0
    for batch in batches(video, fps=fps):
        for observation in observe(analyzer, batch, min_face={"kit": MIN_FACE}, attention=attention):
            watched.events += decider.decide(observation)
            watched.faces += len(observation.faces)
            watched.embedded += sum(not face.skipped for face in observation.faces)
        last = batch[-1].captured_at
        if attention is not None:
            attention.settle("kit", decider.settled("kit"))
    watched.events += decider.flush("kit", last)
    return watched


def visits(events: Sequence[Event]) -> list[dict[str, Any]]:
    """One entry for each visit, as the scorer reads it."""
    last = {event.visit_id: event for event in events}
    return [
        {"name": event.person, "from_s": event.first_seen, "to_s": event.last_seen, "score": event.score or 0.0}
        for event in last.values()
    ]


def _enroll(analyzer: FaceAnalyzer, kit: Path, people: Mapping[str, Sequence[str]], outcome: Outcome) -> list[Enrolled]:
    enrolled = []
    for person, files in people.items():
        for file in files:
            try:
                enrolled.append(enroll_photo(analyzer, person, kit / file, strict=False))
            except PhotoError as error:
                outcome.problems.append(str(error))
    return enrolled


def _stills(analyzer: FaceAnalyzer, kit: Path, files: Sequence[str], recognizer: Recognizer, outcome: Outcome) -> None:
    waiting = iter(files)
    while batch := list(islice(waiting, _BATCH)):
        pictures = [read_photo(kit / file) for file in batch]
        frames = [Frame(file, 0, 0.0, 0.0, None, picture) for file, picture in zip(batch, pictures, strict=True)]
        least = {frame.camera: max(MIN_FACE, MIN_FACE * max(frame.picture.shape) // 1280) for frame in frames}
        for observation in observe(analyzer, frames, min_face=least):
            outcome.pred["images"][observation.camera] = _faces(observation, recognizer)


def _faces(observation: Observation, recognizer: Recognizer) -> list[dict[str, Any]]:
    said = []
    for face in observation.faces:
        box = face.detection.box
        found = recognizer.identify(face.embedding) if face.embedding is not None else None
        said.append(
            {
                "box": [box.x1, box.y1, box.width, box.height],
                "name": found.person if found else None,
                "score": found.best.score if found and found.best else 0.0,
            }
        )
    return said


def main(kit: str, target: str) -> None:
    """Write `pred.json` for a kit and print the events of its videos."""
    outcome = run(FaceAnalyzer(), Path(kit))
    Path(target).write_text(json.dumps(outcome.pred))
    for problem in outcome.problems:
        print("not enrolled:", problem)
    for video, events in outcome.events.items():
        print("{}: {} of {} faces embedded".format(video, *outcome.embedded[video]))
        for event in events:
            score = "" if event.score is None else f"{event.score:.3f} of {event.threshold:.3f}"
            span = f"{event.first_seen:.2f} to {event.last_seen:.2f}, decided {event.decided_at:.2f}"
            faces = f"{event.faces_used}/{event.faces_seen} faces"
            kind = f"{event.event_type:10} {event.visit_id[:6]}"
            print(" ", kind, event.person, score, faces, span, event.reason or "")


if __name__ == "__main__":
    main(*sys.argv[1:3])

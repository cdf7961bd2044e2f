"""The faces of a visit as pictures, to be enrolled: out of the account that its decision left."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from camwatch.engine.photos import fault
from camwatch.errors import InputError
from camwatch.publishing import history
from camwatch.publishing.accounts import file_of, read_account
from camwatch.records import EventType, Quality, UsedFace

MOST = 3
"""Faces taken from a visit: more of one moment add little."""
APART = 0.95
"""Cosine from which on two faces of a visit show the same view."""


@dataclass(frozen=True, slots=True)
class VisitFace:
    """A face of a visit: what to call it, its PNG file, and how good it was before it was cut out and scaled."""

    name: str
    png: bytes
    quality: Quality


def faces_of(event_id: str, state: Path) -> tuple[str | None, list[VisitFace]]:
    """The best faces of a visit that differ from each other and are good enough to be enrolled.

    Args:
        event_id: Of any event of the visit, or its beginning.
        state: The daemon's state directory.

    Returns:
        The name that the visit was given, None where it has none, and at most `MOST` faces.

    Raises:
        InputError: There is no such event, no faces were kept of its visit, or none is good enough.
        StateError: The state cannot be read.
    """
    event = history.find(state, event_id)
    events = history.of_visit(state, event.visit_id)
    person = next((one.person for one in events if one.event_type is EventType.RECOGNIZED), event.person)
    kept: list[UsedFace] = []
    for one in [event, *reversed(events)]:
        account = read_account(file_of(state, one.visit_id, one.seq))
        kept = [face for face in account.faces if face.chip is not None] if account is not None else []
        if kept:
            break
    if not kept:
        raise InputError(
            f"{event.event_id}: no faces are kept of this visit; they are where events.snapshots is on, for as long as"
            " events.retain says"
        )
    good = [face for face in kept if fault(face.quality) is None]
    if not good:
        best = max(kept, key=lambda one: one.quality.score)
        raise InputError(f"{event.event_id}: no face of this visit can be enrolled, of the best {fault(best.quality)}")
    named = enumerate(_different(good), 1)
    return person, [VisitFace(f"face {number} of the visit.png", _png(face), face.quality) for number, face in named]


def _different(faces: list[UsedFace]) -> list[UsedFace]:
    """The best faces, none of which shows the same view as a better one."""
    chosen: list[UsedFace] = []
    for face in sorted(faces, key=lambda one: one.quality.score, reverse=True):
        if len(chosen) < MOST and all(float(np.dot(face.embedding, one.embedding)) < APART for one in chosen):
            chosen.append(face)
    return chosen


def _png(face: UsedFace) -> bytes:
    assert face.chip is not None
    done, data = cv2.imencode(".png", cv2.cvtColor(face.chip, cv2.COLOR_RGB2BGR))
    assert done, "a chip is always three bytes a pixel"
    return np.asarray(data).tobytes()

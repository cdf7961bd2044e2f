"""The faces of a visit as pictures, to be enrolled: out of the account that its decision left."""

from pathlib import Path

import cv2
import numpy as np

from camwatch.errors import InputError
from camwatch.publishing import history
from camwatch.publishing.accounts import file_of, read_account
from camwatch.records import EventType, UsedFace

MOST = 3
"""Faces taken from a visit: more of one moment add little."""
APART = 0.95
"""Cosine from which on two faces of a visit show the same view."""


def write_faces(event_id: str, state: Path, folder: Path) -> tuple[str | None, list[Path]]:
    """Write the best faces of a visit that differ from each other, as PNG files.

    Args:
        event_id: Of any event of the visit, or its beginning.
        state: The daemon's state directory.
        folder: Where to.

    Returns:
        The name that the visit was given, None where it has none, and the files.

    Raises:
        InputError: There is no such event, or no faces were kept of its visit.
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
    paths = []
    for number, face in enumerate(_different(kept), 1):
        assert face.chip is not None
        path = folder / f"face {number} of the visit.png"
        cv2.imwrite(str(path), cv2.cvtColor(face.chip, cv2.COLOR_RGB2BGR))
        paths.append(path)
    return person, paths


def _different(faces: list[UsedFace]) -> list[UsedFace]:
    """The best faces, none of which shows the same view as a better one."""
    chosen: list[UsedFace] = []
    for face in sorted(faces, key=lambda one: one.quality.score, reverse=True):
        if len(chosen) < MOST and all(float(np.dot(face.embedding, one.embedding)) < APART for one in chosen):
            chosen.append(face)
    return chosen

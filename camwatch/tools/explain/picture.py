"""A decision in one picture: its faces with their similarities, and the nearest photos of the gallery."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from camwatch.engine.photos import read_photo
from camwatch.errors import InputError, PhotoError
from camwatch.files import write_whole
from camwatch.records import Account, Event, Picture
from camwatch.tools.explain.reasons import verdict

_SIDE = 160
_GAP = 12
_LINE = 24
_PAPER, _INK, _FAINT = (250, 250, 248), (30, 34, 40), (110, 118, 129)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SUFFIXES = (".png", ".jpg", ".jpeg")


def write_picture(path: Path, event: Event, account: Account, faces: Path | None) -> None:
    """Draw it and write the file, for its owner alone.

    Args:
        path: PNG or JPEG by its suffix.
        event: What was said.
        account: Why.
        faces: The gallery, whose photos are shown where they are still there; None shows none.

    Raises:
        InputError: The suffix is another one, or the file cannot be written.
    """
    check_suffix(path)
    done, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(draw(event, account, faces), cv2.COLOR_RGB2BGR))
    if not done:
        raise InputError(f"{path}: the picture cannot be encoded")
    try:
        write_whole(path, data.tobytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def check_suffix(path: Path) -> None:
    """Refuse a kind of picture that is not written.

    Raises:
        InputError: It is one.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{path}: a picture is written as {', '.join(_SUFFIXES)}")


def draw(event: Event, account: Account, faces: Path | None) -> Picture:
    """The picture, (h, w, 3) uint8 RGB; the arguments are as above."""
    best = account.candidates[0].person if account.candidates else None
    seen = [
        (
            face.chip,
            [f"{scores[0]:.2f}" if scores else "-", f"{face.quality.height:.0f} px, turn {face.quality.turn:.2f}"],
        )
        for face, scores in zip(account.faces, account.face_scores, strict=True)
    ]
    near = [
        (None if faces is None else _photo(faces, one.photo), [f"{one.score:.2f}", one.photo])
        for one in account.photos_near
    ]
    score = "" if event.score is None else f"similarity {event.score:.2f}, threshold {event.threshold:.2f}"
    head = [f"{event.camera}: {verdict(event)}", "; ".join(part for part in (score, event.event_id) if part)]
    rows = [("faces of the visit" + (f", similarity to {best}" if best else ""), seen), ("most similar photos", near)]
    columns = max(4, *(len(row) for _, row in rows))
    width = _GAP + columns * (_SIDE + _GAP)
    tall = 2 * _LINE + _GAP + sum(_LINE + _SIDE + 2 * _LINE + _GAP for _, row in rows if row) + _GAP
    paper = np.full((tall, width, 3), _PAPER, np.uint8)
    y = _GAP
    for number, line in enumerate(head):
        y = _write(paper, line, _GAP, y, 0.6 if number == 0 else 0.45, width - 2 * _GAP)
    for title, row in rows:
        if row:
            y = _row(paper, title, row, y + _GAP)
    return paper


def _row(paper: Picture, title: str, row: Sequence[tuple[Picture | None, list[str]]], y: int) -> int:
    """One row of pictures with words below; where the next one begins."""
    top = _write(paper, title, _GAP, y, 0.45, paper.shape[1] - 2 * _GAP)
    for column, (picture, words) in enumerate(row):
        x = _GAP + column * (_SIDE + _GAP)
        place = paper[top : top + _SIDE, x : x + _SIDE]
        if picture is None:
            cv2.rectangle(paper, (x, top), (x + _SIDE - 1, top + _SIDE - 1), _FAINT, 1)
        else:
            place[:] = _fitted(picture)
        below = top + _SIDE
        for line in words:
            below = _write(paper, line, x, below, 0.4, _SIDE)
    return top + _SIDE + 2 * _LINE


def _fitted(picture: Picture) -> Picture:
    """A picture inside a square of paper."""
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    square = np.full((_SIDE, _SIDE, 3), _PAPER, np.uint8)
    top, left = (_SIDE - size[1]) // 2, (_SIDE - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = small
    return square


def _write(paper: Picture, text: str, x: int, y: int, scale: float, width: int) -> int:
    """One line of text, cut off where it is too long; where the next one begins."""
    while len(text) > 2 and cv2.getTextSize(text, _FONT, scale, 1)[0][0] > width:
        text = text.removesuffix("…")[:-1] + "…"
    cv2.putText(paper, text, (x, y + _LINE - 8), _FONT, scale, _INK, 1, cv2.LINE_AA)
    return y + _LINE


def _photo(faces: Path, photo: str) -> Picture | None:
    """A photo of the gallery, None where it is not there any more."""
    path = faces / photo
    if not path.resolve().is_relative_to(faces.resolve()):
        return None
    try:
        return read_photo(path)
    except PhotoError:
        return None

"""Drawing on pictures: every frame of a video with the boxes and names that were known when it was shown."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from camwatch.capture.decode import RawFrame
from camwatch.identification.visit import Followed
from camwatch.records import Box, Picture

_NAMED, _UNKNOWN, _UNDECIDED = (46, 160, 67), (207, 87, 23), (110, 118, 129)
_INK = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX  # OpenCV 5 draws all scripts with it
_MOST_WAITING = 32
_HOLD = 1.0
"""Seconds for which boxes stay where the next analysed frame does not come."""


class Painter:
    """Takes all frames of a video, some with their faces, and hands all of them on as pictures with the faces marked.

    A box moves straight from where it was in one analysed frame to where it is in the next, so frames wait for that;
    what stands beside it changes only with the analysed frame.

    Args:
        outputs: Each called with the frame's time, UTC seconds, and the picture, (h, w, 3) uint8 RGB. Without any,
            nothing is drawn.

    Attributes:
        idle: Whether nobody wants the pictures.
    """

    def __init__(self, outputs: Sequence[Callable[[float, Picture], None]]) -> None:
        """Before the first frame."""
        self.idle = not outputs
        self._outputs = outputs
        self._waiting: deque[RawFrame] = deque()
        self._faces: Sequence[Followed] = ()
        self._since = 0.0

    def frame(self, raw: RawFrame) -> None:
        """A frame that is not analysed; one without a picture is left out."""
        if raw.image is None or self.idle:
            return
        self._waiting.append(raw)
        if len(self._waiting) > _MOST_WAITING:
            self._hold(self._waiting.popleft())

    def analyzed(self, raw: RawFrame, faces: Sequence[Followed]) -> None:
        """The next frame, which was analysed."""
        if self.idle:
            return
        span = raw.captured_at - self._since
        for earlier in self._waiting:
            if span > _HOLD:
                self._hold(earlier)
                continue
            share = (earlier.captured_at - self._since) / span if span > 0 else 1.0
            self._show(earlier, _between(self._faces, faces, min(max(share, 0.0), 1.0)))
        self._waiting.clear()
        self._faces, self._since = faces, raw.captured_at
        self._show(raw, faces)

    def finish(self) -> None:
        """No frame will come any more."""
        while self._waiting:
            self._hold(self._waiting.popleft())

    def _hold(self, raw: RawFrame) -> None:
        self._show(raw, self._held(raw))

    def _show(self, raw: RawFrame, faces: Sequence[Followed]) -> None:
        picture = draw(raw.rgb(), faces)
        for output in self._outputs:
            output(raw.captured_at, picture)

    def _held(self, raw: RawFrame) -> Sequence[Followed]:
        return self._faces if raw.captured_at - self._since <= _HOLD else ()


def draw(picture: Picture, faces: Sequence[Followed]) -> Picture:
    """A copy of the picture with a box and a word for each face.

    Args:
        picture: (h, w, 3) uint8, RGB.
        faces: Boxes in its pixels.
    """
    drawn = picture.copy()
    height, width = drawn.shape[:2]
    line = max(2, round(min(height, width) / 200))
    scale = min(max(min(height, width) / 600, 0.5), 2.5)
    for face in faces:
        color, text = _said(face)
        x1, y1, x2, y2 = (round(side) for side in (face.box.x1, face.box.y1, face.box.x2, face.box.y2))
        cv2.rectangle(drawn, (x1, y1), (x2, y2), color, line, cv2.LINE_AA)
        (across, up), _ = cv2.getTextSize(text, _FONT, scale, max(1, line // 2))
        deep = round(up * 1.5) + line
        left = min(max(x1 - line // 2, 0), max(width - across - 2 * line, 0))
        top = y1 - deep if y1 >= deep else min(y2, height - deep)
        cv2.rectangle(drawn, (left, top), (left + across + 2 * line, top + deep), color, cv2.FILLED)
        at, stroke = (left + line, top + up + line), max(1, line // 2)
        cv2.putText(drawn, text, at, _FONT, scale, _INK, stroke, cv2.LINE_AA)
    return np.asarray(drawn, np.uint8)


def _said(face: Followed) -> tuple[tuple[int, int, int], str]:
    """Colour and word for a face."""
    if face.person is not None:
        return _NAMED, face.person if face.score is None else f"{face.person} {face.score:.2f}"
    return (_UNKNOWN, "unknown") if face.unknown else (_UNDECIDED, "?")


def _between(before: Sequence[Followed], after: Sequence[Followed], share: float) -> list[Followed]:
    """The faces of the frame before, on their way to the next one; what is not there any more goes halfway."""
    target = {face.track: face.box for face in after}
    moved = []
    for face in before:
        box = target.get(face.track)
        if box is not None:
            moved.append(replace(face, box=_on_the_way(face.box, box, share)))
        elif share < 0.5:
            moved.append(face)
    return moved


def _on_the_way(one: Box, other: Box, share: float) -> Box:
    return Box(
        one.x1 + (other.x1 - one.x1) * share,
        one.y1 + (other.y1 - one.y1) * share,
        one.x2 + (other.x2 - one.x2) * share,
        one.y2 + (other.y2 - one.y2) * share,
    )

"""The frames of a source in batches: a recording at the analyser's own pace, a live stream at the camera's."""

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from camwatch.capture.decode import RawFrame
from camwatch.capture.sampling import FrameSampler, StreamTime
from camwatch.capture.source import Source
from camwatch.errors import SourceError

BATCH = 8
"""Frames that are analysed together at most."""
_MOST_FRAMES, _MOST_PIXELS = 40, 80_000_000  # of a batch, with the frames between the analysed ones
_MOST_WAITING = 96  # frames of a live stream
_TURN = 0.5  # seconds until a request to stop is noticed, at the latest


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A frame of the source, `seq` counting from 0, and whether it is due to be analysed."""

    raw: RawFrame
    seq: int
    due: bool


def sampled(source: Source, fps: float) -> Iterator[Taken]:
    """All frames of a source; of them `fps` a second are due.

    Raises:
        SourceError: From the source.
    """
    sampler, time = FrameSampler(fps), StreamTime(live=source.live)
    for seq, raw in enumerate(source.frames()):
        yield Taken(raw, seq, sampler.due(time.at(raw.pts, raw.monotonic)))


def recorded(source: Source, fps: float, *, whole: bool) -> Iterator[Sequence[Taken]]:
    """The frames of a recording. Where a batch ends depends on the recording alone, so two runs are alike.

    Args:
        source: Is read as fast as batches are asked for.
        fps: See `sampled`.
        whole: Whether the frames that are not due are wanted, too. The very last one always comes, for its time.

    Raises:
        SourceError: From the source, after all frames before have been given.
    """
    batch: list[Taken] = []
    frames = pixels = due = 0
    taken: Taken | None = None
    error: SourceError | None = None
    try:
        for taken in sampled(source, fps):
            if whole or taken.due:
                batch.append(taken)
            frames, due = frames + 1, due + taken.due
            pixels += taken.raw.width * taken.raw.height
            if due == BATCH or frames == _MOST_FRAMES or pixels >= _MOST_PIXELS:
                yield batch
                batch, frames, pixels, due = [], 0, 0, 0
    except SourceError as raised:
        error = raised
    if frames and taken is not None:
        yield batch if whole or taken.due else [*batch, taken]
    if error is not None:
        raise error


class LiveFeed:
    """Reads a live stream in a thread. Where analysis is too slow, the oldest frames go, so that it is never late.

    Args:
        source: Is closed by `close`.
        fps: See `sampled`.
        whole: Whether the frames that are not due are wanted, too.

    Attributes:
        dropped: How many frames that were due have been given up.
    """

    def __init__(self, source: Source, fps: float, *, whole: bool) -> None:
        """Begin to read."""
        self.dropped = 0
        self._source, self._fps, self._whole = source, fps, whole
        self._waiting: deque[Taken] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: SourceError | None = None
        self._thread = threading.Thread(target=self._read, name="reader", daemon=True)
        self._thread.start()

    def batches(self, stop: Callable[[], bool]) -> Iterator[Sequence[Taken]]:
        """What waits, oldest first, at most `BATCH` frames of it due, until it is to stop.

        Raises:
            SourceError: The stream ended, as every live stream does; all frames before have been given.
        """
        while not stop():
            with self._changed:
                if not self._waiting and not self._ended:
                    self._changed.wait(_TURN)
                batch = self._next()
                if not batch and self._ended:
                    if self._error is not None:
                        raise self._error
                    return
            if batch:
                yield batch

    def close(self) -> None:
        """Make the source end; does not wait longer than a moment for it."""
        self._source.close()
        self._thread.join(1.0)

    def _next(self) -> list[Taken]:
        batch: list[Taken] = []
        due = 0
        while self._waiting and due < BATCH:
            batch.append(self._waiting.popleft())
            due += batch[-1].due
        return batch

    def _read(self) -> None:
        error: SourceError | None = None
        try:
            for taken in sampled(self._source, self._fps):
                if taken.due or self._whole:
                    self._put(taken)
        except SourceError as raised:
            error = raised
        finally:
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify()

    def _put(self, taken: Taken) -> None:
        with self._changed:
            if len(self._waiting) == _MOST_WAITING:
                self.dropped += self._waiting.popleft().due
            self._waiting.append(taken)
            self._changed.notify()


@contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM set the event; a second one acts as if nobody had listened."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def stop(number: int, frame: FrameType | None) -> None:
        asked.set()
        restore()

    for number in before:
        signal.signal(number, stop)
    try:
        yield asked
    finally:
        restore()

import itertools
from collections.abc import Generator
from threading import Event, Thread
from typing import Any

from camwatch.capture.decode import RawFrame
from camwatch.capture.running import Running

FRAME: Any = object()


class Slow(Running):
    """Takes its time to let go of its camera."""

    def __init__(self) -> None:
        super().__init__()
        self.ending, self.go_on, self.ended = Event(), Event(), Event()

    def _deliver(self) -> Generator[RawFrame, None, None]:
        try:
            while not self._closing.is_set():
                yield FRAME
        finally:
            self.ending.set()
            self.go_on.wait(20)
            self.ended.set()


def test_who_asks_for_a_frame_while_another_thread_closes_gets_the_end() -> None:
    source = Slow()
    frames = source.frames()
    assert next(frames) is FRAME
    closer = Thread(target=source.close)
    closer.start()
    assert source.ending.wait(20)
    rest = list[RawFrame | None]()
    reader = Thread(target=lambda: rest.append(next(frames, None)))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive(), "it waits for the camera to be let go of"
    source.go_on.set()
    closer.join(20)
    reader.join(20)
    assert rest == [None]


def test_close_does_not_wait_for_a_thread_that_is_inside() -> None:
    source = Slow()
    frames = source.frames()
    next(frames)
    source._closing.set()
    reader = Thread(target=lambda: list(frames))
    reader.start()
    assert source.ending.wait(20)  # it is inside now
    source.close()
    assert not source.ended.is_set()
    source.go_on.set()
    reader.join(20)
    assert source.ended.is_set()


def test_dropping_the_iterator_lets_go_of_the_camera() -> None:
    source = Slow()
    source.go_on.set()
    assert len(list(itertools.islice(source.frames(), 3))) == 3
    assert source.ended.is_set()

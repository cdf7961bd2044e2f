"""What sources have in common: a run of frames that another thread may end."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from threading import Event, Lock

from camwatch.capture.decode import RawFrame


class Running(ABC):
    """Base of the sources: `frames` and `close` of `Source`, around `_deliver`."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._closing = Event()
        self._run: Generator[RawFrame, None, None] | None = None
        self._in_run = Lock()  # a generator that two threads enter at once raises ValueError in the second

    def frames(self) -> Iterator[RawFrame]:
        """See `Source.frames`."""
        run = self._run = self._deliver()
        try:
            while True:
                with self._in_run:
                    frame = next(run, None)
                if frame is None:
                    return
                yield frame
        finally:
            self._end(run)

    def close(self) -> None:
        """See `Source.close`."""
        self._closing.set()
        if self._run is not None:
            self._end(self._run)

    def _end(self, run: Generator[RawFrame, None, None]) -> None:
        if self._in_run.acquire(blocking=False):  # else it runs at this moment, and sees the flag itself
            try:
                run.close()
            finally:
                self._in_run.release()

    @abstractmethod
    def _deliver(self) -> Generator[RawFrame, None, None]:
        """Yield frames until the end, an error, or `_closing`, which is looked at after every frame."""

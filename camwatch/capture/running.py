"""What sources have in common: a run of frames that another thread may end."""

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import suppress
from threading import Event

from camwatch.capture.decode import RawFrame


class Running(ABC):
    """Base of the sources: `frames` and `close` of `Source`, around `_deliver`."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._closing = Event()
        self._run: Generator[RawFrame, None, None] | None = None

    def frames(self) -> Iterator[RawFrame]:
        """See `Source.frames`."""
        self._run = self._deliver()
        return self._run

    def close(self) -> None:
        """See `Source.close`."""
        self._closing.set()
        if self._run is not None:
            with suppress(ValueError):  # it runs in another thread at this moment, and sees the flag itself
                self._run.close()

    @abstractmethod
    def _deliver(self) -> Generator[RawFrame, None, None]:
        """Yield frames until the end, an error, or `_closing`, which is looked at after every frame."""

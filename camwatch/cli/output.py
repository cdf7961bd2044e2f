"""Output whose reader may leave: what is being done is done to its end all the same."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TextIO


@contextmanager
def unfailing_output() -> Iterator[None]:
    """For commands that change something: half of it done because of `| head` or a full disk would be the worst.

    Raises:
        OSError: At the end, where stdout could not be written; of stderr nobody could be told.
    """
    out = _Unfailing(sys.stdout)
    with redirect_stdout(out), redirect_stderr(_Unfailing(sys.stderr)):
        yield
    if out.error is not None:
        raise out.error


class _Unfailing(io.TextIOBase):
    """A stream that remembers its first error and is silent from then on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.error is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self.error = error
        return len(text)

    def flush(self) -> None:
        if self.error is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.error = error

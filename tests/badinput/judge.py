"""What is asked of every answer: one line of bounded length without a secret, and nothing written elsewhere."""

import logging
import os
import sys
import traceback
from io import StringIO
from pathlib import Path
from typing import Any

from camwatch.errors import CamwatchError, ConfigError
from camwatch.service import logs
from tests.badinput.kind import CANARY, WrongAnswerError

LONGEST = 1500
"""Characters of a message beyond which nobody reads it."""
MOST_LINES = 120
"""Problems of one configuration."""
_WRITES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
_NEVER = {"subprocess.Popen", "os.system", "os.exec", "os.fork", "pickle.find_class"}


class Judge:
    """Watches a reader at work in this process.

    Args:
        root: The only folder in which it may write.
        secret: Whether the inputs have `CANARY` as a password.
    """

    def __init__(self, root: Path) -> None:
        """Watch the log and what Python does with files, from now on."""
        self._root = os.path.realpath(root)
        self._trespasses: list[str] = []
        self._watching = False
        self._log = StringIO()
        logs.set_up("text", process="bench", level=logging.WARNING)
        handler = logging.getLogger().handlers[0]
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(self._log)
        sys.addaudithook(self._audit)

    def begin(self) -> None:
        """An input is read now."""
        self._log.seek(0)
        self._log.truncate()
        self._trespasses.clear()
        self._watching = True

    def end(self, error: BaseException | None, *, secret: bool) -> tuple[bool, list[str]]:
        """The input has been read.

        Args:
            error: What was raised.
            secret: Whether `CANARY` may not be in a message.

        Returns:
            Whether it was refused, and what is wrong with the answer.
        """
        self._watching = False
        found = [f"trespass: {one}" for one in self._trespasses]
        logged = self._log.getvalue().splitlines()
        messages = list(logged)
        if isinstance(error, ConfigError):
            messages += error.problems
            found += ["too many lines"] if len(error.problems) > MOST_LINES else []
        elif isinstance(error, CamwatchError):
            messages.append(str(error))
        elif isinstance(error, WrongAnswerError):
            found.append(f"wrong answer: {error}")
        elif error is not None:
            found.append(f"{type(error).__name__} {place(error)}: {str(error)[:200]}")
        found += [f"{wrong}: {message[:200]!r}" for message in messages for wrong in self._faults(message, secret)]
        return error is not None or bool(logged), found

    def _faults(self, message: str, secret: bool) -> list[str]:
        wrong = []
        if len(message.splitlines()) != 1:
            wrong.append("not one line")
        if any(ord(letter) < 32 or letter == "\x7f" for letter in message.replace("\n", "")):
            wrong.append("control characters in a message")
        if len(message) > LONGEST:
            wrong.append("too long")
        if secret and CANARY in message:
            wrong.append("a secret in a message")
        if "Traceback" in message:
            wrong.append("traceback in the log")
        return wrong

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._watching:
            return
        if event == "open":
            path, mode, flags = arguments
            written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            if written or (isinstance(mode, str) and set(mode) & set("wax+")):
                self._check(event, path)
        elif event in _WRITES:
            for path in arguments[1:2] if event in ("os.symlink", "os.link") else arguments[:2]:
                self._check(event, path)
        elif event in _NEVER:
            self._trespasses.append(f"{event} {arguments!r:.200}")

    def _check(self, event: str, path: object) -> None:
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor
        where = os.path.realpath(os.path.dirname(os.path.abspath(os.fsdecode(path))))  # noqa: PTH100, PTH120
        inside = where == self._root or where.startswith(self._root + os.sep)
        if not inside and os.fsdecode(path) != os.devnull:
            self._trespasses.append(f"{event} {os.fsdecode(path)!r:.200}")


def place(error: BaseException) -> str:
    """Where an error came from: the innermost line of camwatch, and the line that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if f"{os.sep}camwatch{os.sep}" in frame.filename]
    spots = [*ours[-1:], *frames[-1:]]
    return " <- ".join(dict.fromkeys(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(spots)))


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder with its size and time of change."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        found[str(path.relative_to(folder))] = stat.st_size, stat.st_mtime_ns
    return found

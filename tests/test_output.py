"""Commands that change something go on where nobody reads what they say."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from camwatch.cli import gallery
from camwatch.cli.output import unfailing_output


class Gone(io.StringIO):
    """A stream that takes some writes or flushes, then fails."""

    def __init__(self, *, writes: int = 0, flushes: int = 1000) -> None:
        super().__init__()
        self.left = {"write": writes, "flush": flushes}

    def _use(self, what: str) -> None:
        self.left[what] -= 1
        if self.left[what] < 0:
            raise BrokenPipeError(32, f"Broken pipe at {what}")

    def write(self, text: str) -> int:
        self._use("write")
        return super().write(text)

    def flush(self) -> None:
        self._use("flush")


@pytest.mark.parametrize(("out", "failed"), [(Gone(writes=1), "write"), (Gone(writes=1000, flushes=1), "flush")])
def test_the_work_is_done_and_then_it_is_told(monkeypatch: pytest.MonkeyPatch, out: Gone, failed: str) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    done = []

    def work() -> None:
        with unfailing_output():
            for number in range(3):
                print(number, flush=True)
                done.append(number)

    with pytest.raises(BrokenPipeError, match=failed):
        work()
    assert done == [0, 1, 2] and out.getvalue().startswith("0") and sys.stdout is out


def test_a_stderr_that_is_gone_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Gone())
    with unfailing_output():
        print("a hint", file=sys.stderr, flush=True)


def test_what_goes_wrong_in_the_work_goes_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Gone())

    def work() -> None:
        with unfailing_output():
            print("x")
            raise KeyError("y")

    with pytest.raises(KeyError, match="y"):
        work()


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("enroll", "enroll", lambda: gallery.enroll("Ann", Path("f"), [Path("a.jpg")])),
        ("forget", "command", lambda: gallery.forget("Ann")),
    ],
)
def test_enroll_and_forget_do_so(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, call: Callable[[], int]
) -> None:
    done = []

    def command(*_: object, **__: object) -> int:
        print("one")
        done.append(print("two", file=sys.stderr))
        return 0

    stand_in = ModuleType(module)
    vars(stand_in)[name] = command
    monkeypatch.setitem(sys.modules, f"camwatch.tools.{module}", stand_in)
    monkeypatch.setattr(sys, "stdout", Gone())
    with pytest.raises(BrokenPipeError):
        call()
    assert done == [None]

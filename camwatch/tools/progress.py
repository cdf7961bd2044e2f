"""Progress on stderr: a bar for people at a terminal, nothing but the notes for everybody else."""

import sys
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, SpinnerColumn, TextColumn
from rich.progress import TimeRemainingColumn as Remaining


class Steps:
    """Shows how far a command is, and prints notes between.

    The bar is drawn only where stderr is a terminal (without colours under `NO_COLOR`), and is gone at the end.

    Args:
        what: What is being done, such as `aligning`.
        total: Steps in all; None where nobody knows: then a spinner turns.
        stream: Where to; stderr by default.
        shown: False to never draw the bar, as where results go to the same terminal.
    """

    def __init__(
        self, what: str, total: int | None = None, *, stream: TextIO | None = None, shown: bool = True
    ) -> None:
        """Nothing is drawn before `with`."""
        self._stream = stream or sys.stderr
        self._shown = shown and self._stream.isatty()
        known: list[ProgressColumn] = [BarColumn(), MofNCompleteColumn(), Remaining()]
        columns = known if total is not None else [SpinnerColumn(), TextColumn("{task.fields[text]}", markup=False)]
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            *columns,
            console=Console(file=self._stream),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self._shown,
        )
        self._task = self._bar.add_task(what, total=total, text="")

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wipe the bar away."""
        self._bar.stop()

    def advance(self, steps: int = 1, *, text: str = "") -> None:
        """So many more are done; `text` stands beside the spinner."""
        self._bar.update(self._task, advance=steps, text=text)

    def note(self, line: str) -> None:
        """Print a line that stays."""
        if self._shown:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=self._stream, flush=True)

    def skipped(self, path: str, reason: str) -> None:
        """Note a file that was left out."""
        self.note(f"skipped {path}: {reason}")

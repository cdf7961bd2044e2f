"""What a kind of bad input is: where the inputs come from, who reads them, and how much that may cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from hypothesis.strategies import SearchStrategy

CANARY = "hunter2-4711"
"""A password that is in many inputs and may be in no message."""

Source = SearchStrategy[Any] | Callable[[Random], Any]
"""Inputs that keep a structure come from hypothesis; mutants of good ones from a function of a seeded generator."""


class WrongAnswerError(AssertionError):
    """The input was accepted, and what came of it is not right."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that camwatch reads.

    Attributes:
        name: A few words, for the table.
        reads: Makes the reader in a folder of its own: a function that reads one input. It raises an error of
            `camwatch.errors` or warns in the log where the input is refused, `WrongAnswerError` where it is taken
            for something that it is not. Called once in each process.
        sources: Where inputs come from, by name; each gives an equal share.
        named: Inputs that are always read, by name.
        share: Of 100 inputs, how many are of this kind.
        seconds: What one input may take on a slow machine that has other work.
        megabytes: Memory that one input may take beyond what the reader took before.
        keeps_secret: Whether an input has `CANARY` where a password belongs, so that no message may show it.
    """

    name: str
    reads: Callable[[Path], Callable[[Any], None]]
    sources: Mapping[str, Source]
    named: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    seconds: float = 20.0
    megabytes: int = 400
    keeps_secret: Callable[[Any], bool] = lambda _: False

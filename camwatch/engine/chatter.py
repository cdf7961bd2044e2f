"""A program of its own that passes stderr on, line by line, without TensorFlow's start-up chatter.

`runtime` starts it by its path and gives it a pipe to read. A thread would not do: native code that dies, or that
holds Python's lock while a library loads, would take its last words with it. What is in the pipe of a process that
died is still read here.
"""

import re
import signal
import sys
from typing import BinaryIO

CHATTER = re.compile(rb"WARNING: All log messages before absl|[IW]\d{4} \d|\s*$")
"""Informations and warnings in absl's format; errors (`E0000 ...`) are not among them."""


def pass_on(source: BinaryIO, sink: BinaryIO) -> None:
    """Copy every line that is no chatter as soon as it is complete, until the last writer is gone."""
    for line in source:
        if not CHATTER.match(line):
            sink.write(line)
            sink.flush()


if __name__ == "__main__":
    # Whatever ends the process that is listened to ends this one too, a moment later; signals must not do so before.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    pass_on(sys.stdin.buffer, sys.stdout.buffer)

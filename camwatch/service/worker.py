"""The child's side of a child process: its job, its heartbeat, its end.

A child is started as `python -m camwatch.service.NAME OUT CONTROL`: two inherited pipe descriptors. The first message
on CONTROL is the job, so that no secret stands on a command line. When CONTROL closes, main is gone, and the child
ends itself: nothing is left running, however main died.
"""

import faulthandler
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from camwatch.service import logs
from camwatch.service.messages import Inbox, Message, Outlet

GRACE = 1.0
"""Seconds a child has to end by itself once it was told to, or once main is gone."""


class Worker:
    """What a child's main function works with.

    Attributes:
        job: The fields of the first message.
        commands: Messages from main after the job, in order.
    """

    def __init__(self, out_fd: int, control_fd: int) -> None:
        """Read the job and begin to listen; ends the process if main is gone already."""
        faulthandler.enable()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._outlet = Outlet(out_fd)
        self._control = Inbox(control_fd)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._last_beat = 0.0
        self._on_stop: Callable[[], None] = lambda: None
        self.commands: queue.SimpleQueue[Message] = queue.SimpleQueue()
        first = self._receive()
        self.job: dict[str, Any] = first[0].fields
        for message in first[1:]:
            if message.kind == "stop":
                os._exit(0)
            self.commands.put(message)
        logs.set_up(self.job["log_format"], process=self.job["process"])
        self.wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        threading.Thread(target=self._listen, name="control", daemon=True).start()

    @classmethod
    def from_command_line(cls) -> "Worker":
        """The worker for the descriptors that the command line names."""
        return cls(int(sys.argv[1]), int(sys.argv[2]))

    @property
    def stopping(self) -> bool:
        """Whether main asked for the end, or is gone."""
        return self._stop.is_set()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call this, from another thread, when the end is asked for: it should unblock what blocks."""
        self._on_stop = callback
        if self.stopping:
            callback()

    def wait(self, seconds: float) -> None:
        """Wait, or less if the end is asked for."""
        self._stop.wait(seconds)

    def send(self, message: Message) -> None:
        """Send a message to main.

        Raises:
            PipeError: If main is gone or does not read.
        """
        with self._lock:
            self._outlet.send(message)

    def beat(self, fields: Callable[[], dict[str, Any]], *, every: float = 1.0) -> None:
        """Tell main that the work goes on, with these statistics, at most once in `every` seconds."""
        now = time.monotonic()
        if now - self._last_beat >= every:
            self._last_beat = now
            self.send(Message("stats", fields()))

    def exit(self, status: int) -> NoReturn:
        """End the process at once: there is nothing to save, and TensorFlow takes seconds to take itself apart."""
        logging.shutdown()
        os._exit(status)

    def _receive(self) -> list[Message]:
        while True:
            select.select([self._control], [], [])
            messages, is_open = self._control.read()
            if messages:
                return messages
            if not is_open:
                os._exit(0)

    def _listen(self) -> None:
        while True:
            select.select([self._control], [], [])
            messages, is_open = self._control.read()
            for message in messages:
                if message.kind == "stop":
                    is_open = False
                else:
                    self.commands.put(message)
            os.eventfd_write(self.wake_fd, 1)
            if not is_open:
                break
        self._stop.set()
        self._on_stop()
        time.sleep(GRACE)
        os._exit(0)

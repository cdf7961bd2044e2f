"""Owns every child process: starts it, listens to it, notices when it hangs, restarts it, stops it in steps.

Each life of a child has its own pair of pipes, so that what a killed child left half-written dies with them. A child
that has not been heard of for too long gets SIGABRT (its stack goes to the log), two seconds later SIGKILL.
"""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from camwatch.service.backoff import Backoff
from camwatch.service.messages import Inbox, Message, Outlet, PipeError

log = logging.getLogger(__name__)

ABORT_GRACE = 2.0
STOP_GRACE = 1.5
KILL_GRACE = 1.0
"""Seconds for a killed child to be gone; one that waits for a dead network share takes longer."""
LISTEN = 0.05


@dataclass(slots=True, eq=False)
class Child:
    """One child process over all its lives.

    Attributes:
        name: For logs and metrics, `reader front_door` or `inference`.
        module: What `python -m` runs.
        job: Makes the fields of the first message of a new life; may hold secrets, so it is never logged.
        fds: Descriptors that the child inherits.
        silence: Seconds without a message after which a running child counts as hung.
        start_silence: The same for a child that has not sent its first message yet.
    """

    name: str
    module: str
    job: Callable[[], dict[str, Any]]
    fds: tuple[int, ...]
    silence: float
    start_silence: float
    backoff: Backoff = field(default_factory=Backoff)
    process: subprocess.Popen[bytes] | None = None
    inbox: Inbox | None = None
    control: Outlet | None = None
    heard_at: float = 0.0
    heard: bool = False
    closed: bool = False
    aborted_at: float | None = None
    start_at: float | None = None
    restarts: int = 0
    wanted: bool = False

    @property
    def pid(self) -> int | None:
        """The process id of the present life, None between two."""
        return self.process.pid if self.process else None


class Supervisor:
    """All children. One thread uses it; `step` is called at least once a second.

    Attributes:
        children: By name.
        on_death: Told of every child that ended unasked.
    """

    def __init__(self) -> None:
        """Begin without children."""
        self.children: dict[str, Child] = {}
        self.on_death: Callable[[Child], None] = lambda child: None

    def add(self, child: Child, now: float) -> None:
        """Take a child over and start it."""
        self.children[child.name] = child
        child.wanted = True
        self._start(child, now)

    def inboxes(self) -> Iterable[tuple[Child, Inbox]]:
        """The reading ends to wait on."""
        return [(c, c.inbox) for c in self.children.values() if c.inbox is not None]

    def read(self, child: Child, now: float) -> list[Message]:
        """What a child has said. Its death is noticed here; `bury` deals with it, after its last words."""
        if child.inbox is None or child.closed:
            return []
        try:
            messages, is_open = child.inbox.read()
        except PipeError as error:
            log.error("%s: %s", child.name, error)
            messages, is_open = [], False
        if messages:
            child.heard_at, child.heard = now, True
            child.backoff.worked(now)
        child.closed = not is_open
        return messages

    def bury(self, now: float) -> None:
        """Take note of the children whose pipe has closed: they are started again when their time comes."""
        for child in self.children.values():
            if child.closed:
                self._bury(child, now)

    def send(self, name: str, message: Message) -> bool:
        """Send to a child; False where it is not running (its next life gets a new job anyway).

        One that does not read is killed: half a message may be in its pipe.
        """
        child = self.children.get(name)
        if child is None or child.control is None or child.process is None:
            return False
        try:
            child.control.send(message, timeout=2.0)
        except PipeError:
            child.process.kill()
            return False
        return True

    def step(self, now: float) -> None:
        """Restart what is due, notice what hangs."""
        for child in self.children.values():
            if child.process is None:
                if child.wanted and child.start_at is not None and now >= child.start_at:
                    self._start(child, now)
                continue
            self._watch(child, now)

    def stop_child(self, name: str) -> None:
        """Stop one child for good and wait for it, a few seconds at most."""
        self._stop([self.children[name]])

    def restart_child(self, name: str, now: float) -> None:
        """Start again a child that was stopped."""
        child = self.children[name]
        child.wanted = True
        if child.process is None:
            self._start(child, now)

    def remove(self, names: Iterable[str]) -> list[Message]:
        """Stop these children and forget them; those that are not there are none. Returns their last words."""
        there = [name for name in names if name in self.children]
        said = self.stop_all(there)
        for name in there:
            del self.children[name]
        return said

    def stop_all(self, names: Iterable[str]) -> list[Message]:
        """Stop these children for good, side by side; returns what they have said meanwhile."""
        return self._stop([self.children[name] for name in names])

    def _start(self, child: Child, now: float) -> None:
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            try:
                out_read, out_write = os.pipe()
                ours.callback(os.close, out_read)
                theirs.callback(os.close, out_write)
                control_read, control_write = os.pipe()
                ours.callback(os.close, control_write)
                theirs.callback(os.close, control_read)
                child.process = subprocess.Popen(
                    [sys.executable, "-m", child.module, str(out_write), str(control_read)],
                    stdin=subprocess.DEVNULL,
                    pass_fds=(out_write, control_read, *child.fds),
                    process_group=0,  # a Ctrl-C at the terminal is for main, which stops its children in order
                )
            except OSError as error:
                child.start_at = now + child.backoff.delay(now)
                log.error("%s cannot be started: %s", child.name, error)
                return
            ours.pop_all()
        child.inbox, child.control = Inbox(out_read), Outlet(control_write)
        child.heard_at, child.heard, child.closed = now, False, False
        child.aborted_at = child.start_at = None
        with contextlib.suppress(PipeError):
            child.control.send(Message("job", child.job()), timeout=5.0)

    def _watch(self, child: Child, now: float) -> None:
        process = child.process
        if process is None:
            return
        silence = now - child.heard_at
        limit = child.silence if child.heard else child.start_silence
        if child.aborted_at is not None:
            if now - child.aborted_at > ABORT_GRACE:
                process.kill()
        elif silence > limit:
            log.error("%s hangs: not heard of for %.0f s; aborting it", child.name, silence)
            child.aborted_at = now
            process.send_signal(signal.SIGABRT)
            process.send_signal(signal.SIGCONT)

    def _bury(self, child: Child, now: float) -> None:
        process = child.process
        if process is None:
            return
        try:
            code = process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        self._close(child)
        if not child.wanted:
            return
        delay = child.backoff.delay(now)
        child.start_at, child.restarts = now + delay, child.restarts + 1
        log.warning("%s ended (%s); starting it again in %.1f s", child.name, _how(code), delay)
        self.on_death(child)

    def _stop(self, children: list[Child]) -> list[Message]:
        said: list[Message] = []
        running = [c for c in children if c.process is not None]
        for child in children:
            child.wanted, child.start_at = False, None
        for child in running:
            if child.control is not None:
                with contextlib.suppress(PipeError):
                    child.control.send(Message("stop"), timeout=0.1)
        deadline = time.monotonic() + STOP_GRACE
        for child in running:
            if child.process is None:
                continue
            child.process.send_signal(signal.SIGCONT)
            said += self._hear_out(child, deadline)
            if child.process.poll() is None:
                log.warning("%s did not stop when told to; killing it", child.name)
                child.process.kill()
                said += self._hear_out(child, time.monotonic() + KILL_GRACE)
                if child.process.poll() is None:
                    log.error("%s (pid %d) does not end even when killed; left behind", child.name, child.process.pid)
            self._close(child)
        return said

    def _hear_out(self, child: Child, deadline: float) -> list[Message]:
        """Read until it has ended: its last words may be more than the pipe holds."""
        said: list[Message] = []
        while child.process is not None and child.process.poll() is None and time.monotonic() < deadline:
            said += self.read(child, time.monotonic())
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(timeout=LISTEN)
        return said + self.read(child, time.monotonic())

    def _close(self, child: Child) -> None:
        if child.inbox is not None:
            child.inbox.close()
        if child.control is not None:
            child.control.close()
        child.process = child.inbox = child.control = None
        child.closed = False


def _how(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"

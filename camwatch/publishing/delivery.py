"""Which event goes out next, to which topic, and what has become of those on their way. No network in here.

The outbox alone decides what is sent: after a lost connection everything that was not acknowledged comes again, in the
order in which it was stored, and is judged anew for lateness.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from camwatch.publishing.events import stamp
from camwatch.publishing.outbox import Outbox, Pending
from camwatch.publishing.topics import Topics
from camwatch.records import EventType

_CLOCK_SLACK = 1.0
"""Seconds by which an event may seem to come from the future without the clock having been set back."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event at the moment of sending."""

    pending: Pending
    topic: str
    payload: bytes
    late: bool


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """An event that the broker has.

    `captured_monotonic` and `acknowledged_monotonic` are seconds of `time.monotonic()`; the former is None for events
    of an earlier run. `decided_at` is UTC seconds.
    """

    event_id: str
    event_type: EventType
    camera: str
    late: bool
    decided_at: float
    captured_monotonic: float | None
    sent_monotonic: float
    acknowledged_monotonic: float

    @property
    def latency(self) -> float | None:
        """Seconds from the frame's capture to the broker's acknowledgement, None where it cannot be known."""
        if self.captured_monotonic is None:
            return None
        return self.acknowledged_monotonic - self.captured_monotonic


class Delivery:
    """Walks through the outbox.

    Args:
        outbox: Where events wait.
        topics: Names of the live and the late topic.
        max_live_age: Seconds since the decision beyond which an event is late.
    """

    def __init__(self, outbox: Outbox, *, topics: Topics, max_live_age: float) -> None:
        """Begin with the oldest event."""
        self._outbox = outbox
        self._topics = topics
        self.max_live_age = max_live_age
        self._position = 0
        self._unrecorded: list[str] = []

    def next(self, room: int, now: float, monotonic: float) -> list[Outgoing]:
        """The next events to send, at most `room`, judged for lateness.

        Args:
            room: How many at most.
            now: UTC seconds.
            monotonic: Seconds of `time.monotonic()`.
        """
        waiting = self._outbox.pending(room, after=self._position)
        outgoing = [self._outgoing(pending, self._late(pending, now, monotonic)) for pending in waiting]
        if outgoing:
            self._position = outgoing[-1].pending.position
        return outgoing

    def rewind(self) -> None:
        """Begin again with the oldest event that is not acknowledged: what was on its way may be lost."""
        self._position = 0

    def record(self, event_ids: Sequence[str], now: float) -> None:
        """Note acknowledgements on disk; where that fails they are kept and noted with the next call.

        Raises:
            StateError: The outbox cannot be written.
        """
        self._unrecorded.extend(event_ids)
        if self._unrecorded:
            self._outbox.acknowledge(self._unrecorded, now)
            self._unrecorded.clear()

    @property
    def idle(self) -> bool:
        """Whether nothing waits behind what was handed out."""
        return not self._outbox.pending(1, after=self._position)

    def _late(self, pending: Pending, now: float, monotonic: float) -> bool:
        """Late if either clock says so: the one can be set back, the other stands still while a machine sleeps."""
        age = now - pending.decided_at
        if age > self.max_live_age:
            return True
        since = pending.captured_monotonic if pending.captured_monotonic is not None else pending.stored_monotonic
        if since is None:
            return age < -_CLOCK_SLACK  # the clock was set back, nobody knows how long ago this was
        return monotonic - since > self.max_live_age

    def _outgoing(self, pending: Pending, late: bool) -> Outgoing:
        if late:
            return Outgoing(pending, self._topics.event_late, stamp(pending.payload, late=True), late)
        return Outgoing(pending, self._topics.event, pending.payload, late)

"""Shipped fakes: where events go when there is no broker."""

from typing import TextIO

from camwatch.publishing.events import encode, payload
from camwatch.records import Event


class MemorySink:
    """Keeps events in a list, in the order of publishing."""

    def __init__(self) -> None:
        """Begin empty."""
        self.events: list[Event] = []

    def publish(self, event: Event) -> None:
        """Keep the event."""
        self.events.append(event)


class JsonlSink:
    """Writes one JSON line for each event and flushes it, so that a pipe sees it at once.

    A recording is replayed without a clock, hence no event is late and equal input gives equal lines.

    Args:
        stream: Where lines go; the caller closes it.
        node: The node's slug, as in the payload.
    """

    def __init__(self, stream: TextIO, *, node: str) -> None:
        """Write to the stream in the name of the node."""
        self._stream = stream
        self._node = node

    def publish(self, event: Event) -> None:
        """Write the event's line.

        Raises:
            OSError: The stream cannot be written (a closed pipe is `BrokenPipeError`).
        """
        line = encode(payload(event, node=self._node, late=False, snapshot=None))
        self._stream.write(line.decode() + "\n")
        self._stream.flush()

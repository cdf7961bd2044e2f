"""Retained values: the last one of each topic, and which of them the broker does not have yet. No network in here."""


class Retained:
    """Last value wins: a slow broker gets the newest value of a topic, never a queue of old ones.

    Grows by topics only, and their number is bounded by the configuration.
    """

    def __init__(self) -> None:
        """Begin without values."""
        self._values: dict[str, bytes] = {}
        # A dict for its order: topics are sent in the order in which they changed.
        self._waiting: dict[str, None] = {}
        self._cleared: list[str] = []

    def cleared(self) -> list[str]:
        """Topics that the broker has cleared since the last call."""
        found, self._cleared = self._cleared, []
        return [topic for topic in found if topic not in self._values]  # one may have got a value since

    def set(self, topic: str, payload: bytes) -> None:
        """Give a topic a value; the empty one clears the topic at the broker. The same value again is nothing new."""
        if self._values.get(topic) != payload:
            self._values[topic] = payload
            self._waiting[topic] = None

    def get(self, topic: str) -> bytes | None:
        """The value of a topic."""
        return self._values.get(topic)

    def again(self, topic: str | None = None) -> None:
        """Send this topic again, or all of them in the order in which they were first set."""
        if topic is None:
            self._waiting = dict.fromkeys(self._values)
        elif topic in self._values:
            self._waiting[topic] = None

    def take(self, room: int) -> list[tuple[str, bytes]]:
        """The next values to send, at most `room`; they no longer wait."""
        topics = list(self._waiting)[: max(room, 0)]
        for topic in topics:
            del self._waiting[topic]
        return [(topic, self._values[topic]) for topic in topics]

    def acknowledged(self, topic: str, payload: bytes = b"") -> None:
        """The broker has what was sent; a topic that this cleared is then forgotten here too."""
        if not payload and topic not in self._waiting and self._values.get(topic) == b"":
            del self._values[topic]
            self._cleared.append(topic)

    @property
    def settled(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._waiting

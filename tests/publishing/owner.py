"""Stands in for the daemon's main loop: owns an outbox and a publisher and pumps when woken."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from camwatch.publishing.broker import Broker
from camwatch.publishing.delivery import Acknowledged
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.topics import Topics
from camwatch.records import Event
from tests.publishing.events import DECIDED, NODE, stored

TOPICS = Topics("camwatch", NODE)


class Owner:
    """A publisher with its outbox.

    `now` is what the loop takes for the time; tests move it by hand.
    """

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        *,
        subscriptions: Sequence[str] = (),
        protocol: int | None = None,
    ) -> None:
        """Open the outbox and start to connect."""
        self.now = DECIDED
        self.acknowledged: list[Acknowledged] = []
        self._woken = threading.Event()
        self.outbox, _ = Outbox.open(folder / "events.sqlite3", self.now)
        self.publisher = MqttPublisher(
            broker=broker,
            topics=TOPICS,
            outbox=self.outbox,
            max_live_age=10.0,
            wake=self._woken.set,
            subscriptions=subscriptions,
            protocol=protocol,
        )
        self.publisher.start()

    def put(self, *events: Event) -> None:
        """Store events; the frames that decided them are of this moment."""
        moment = time.monotonic()
        fresh = [replace(each, captured_monotonic=moment) for each in events]
        self.outbox.put(stored(*fresh), self.now, monotonic=moment)

    def pump(self) -> None:
        """One turn of the loop."""
        self.acknowledged += self.publisher.pump(self.now)

    def pump_until(
        self, reached: Callable[[], object], timeout: float = 15, *, turn: Callable[[], object] | None = None
    ) -> None:
        """Turn until something is so; `turn` is done instead of `pump`."""
        turn = turn or self.pump
        deadline = time.monotonic() + timeout
        turn()
        while not reached():
            left = deadline - time.monotonic()
            assert left > 0, f"not reached in {timeout} s; the publisher says: {self.publisher.problem}"
            self._woken.wait(min(left, 0.2))
            self._woken.clear()
            turn()

    def pump_until_connected(self) -> None:
        """Turn until the broker has accepted us."""
        self.pump_until(lambda: self.publisher.connected)

    def pump_until_delivered(self) -> None:
        """Turn until no event waits."""
        self.pump_until(lambda: self.outbox.count() == 0)

    def close(self) -> None:
        """Stop the publisher, close the outbox."""
        self.acknowledged += self.publisher.stop(5)
        self.outbox.close()

    def __enter__(self) -> Self:
        """It is already started."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close."""
        self.close()


def address(mosquitto: Any, **login: Any) -> Broker:
    """The address of a broker of the rig."""
    return Broker(mosquitto.host, mosquitto.port, **login)

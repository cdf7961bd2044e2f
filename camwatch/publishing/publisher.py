"""The owner's side of MQTT: events from the outbox, retained values, commands.

The owner's thread calls `pump`: it alone touches the outbox and decides what is sent and when. The network thread only
leaves records and calls `wake`.
"""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from camwatch.errors import StateError
from camwatch.publishing.broker import OFFLINE, ONLINE, Broker
from camwatch.publishing.delivery import Acknowledged, Delivery, Outgoing
from camwatch.publishing.mqtt import Answer, Command, Down, Link, Network, Record, StatusContradicted, Up
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.reconnect import REFUSED
from camwatch.publishing.retained import Retained
from camwatch.publishing.topics import Topics

log = logging.getLogger(__name__)

_COMMANDS = 100


class MqttPublisher:
    """Delivers to one broker; used from one thread.

    Args:
        broker: Where to connect.
        topics: Names of the topics.
        outbox: Where events wait; only `pump` and `stop` touch it.
        max_live_age: Seconds since the decision beyond which an event is sent as late.
        wake: Called from the network thread when `pump` has something to do; must neither block nor raise.
        subscriptions: Topic filters of commands.
        protocol: 5 or 4 (that is 3.1.1) to insist on one; None tries 5, then 3.1.1.

    Raises:
        InputError: A certificate file cannot be used.
    """

    def __init__(
        self,
        *,
        broker: Broker,
        topics: Topics,
        outbox: Outbox,
        max_live_age: float,
        wake: Callable[[], None],
        subscriptions: Sequence[str] = (),
        protocol: int | None = None,
    ) -> None:
        """Prepare; nothing is sent before `start`."""
        if broker.tls is not None:
            broker.tls.context()
        self._broker, self._protocol = broker, protocol
        self._subscriptions = tuple(subscriptions)
        self._topics = topics
        self._delivery = Delivery(outbox, topics=topics, max_live_age=max_live_age)
        self._retained = Retained()
        self._retained.set(topics.status, ONLINE)
        self._records: queue.SimpleQueue[Record] = queue.SimpleQueue()
        self._commands: queue.Queue[Command] = queue.Queue(_COMMANDS)
        self._link: Link | None = None
        self._events: dict[int, tuple[Outgoing, float]] = {}
        self._values: dict[int, tuple[str, bytes]] = {}
        self._acknowledged: list[Acknowledged] = []
        self._paused_until: float | None = None
        self._stopping = False
        self._flooded = False
        self._refused_topics: set[str] = set()
        self._wake = wake
        self._stirred = threading.Event()
        self._client_id = f"{topics.root.replace('/', '-')}-{secrets.token_hex(4)}"
        self._network = self._new_network()

    @property
    def connected(self) -> bool:
        """Whether there was a connection when `pump` last looked."""
        return self._link is not None

    @property
    def problem(self) -> str | None:
        """Why there is no connection, in a few words; None while there is one and during the first attempt."""
        return self._network.problem

    def start(self) -> None:
        """Begin to connect, in the background."""
        self._network.start()

    def subscribe(self, topics: Sequence[str]) -> None:
        """These are the topic filters of commands from now on, also on the present connection."""
        if tuple(topics) != self._subscriptions:
            self._subscriptions = tuple(topics)
            self._network.subscribe(topics, self._link)

    def expire(self, max_live_age: float) -> None:
        """Events are late from another age on; connections feel it from the next one on."""
        self._delivery.max_live_age = self._network.give_up_after = max_live_age

    def move(self, broker: Broker, *, timeout: float) -> list[Acknowledged]:
        """Leave the broker as `stop` does, and go on with another one, or as somebody else; nothing is lost.

        Args:
            broker: Where to connect from now on.
            timeout: Seconds for taking leave, at most about.

        Returns:
            The events acknowledged meanwhile.

        Raises:
            InputError: A certificate file cannot be used; the present broker is kept.
        """
        if broker.tls is not None:
            broker.tls.context()
        acknowledged = self.stop(timeout)
        # A thread that is slow to end still posts to the old queue, where nobody listens.
        self._records = queue.SimpleQueue()
        self._reset(None)
        self._stopping = False
        self._refused_topics.clear()
        self._broker = broker
        self._retained.set(self._topics.status, ONLINE)
        self._network = self._new_network()
        self._network.start()
        return acknowledged

    def retain(self, topic: str, payload: bytes | None) -> None:
        """Give a retained topic its value, sent by the next `pump` and again after every connect; None clears it."""
        self._retained.set(topic, payload or b"")

    def cleared(self) -> list[str]:
        """Retained topics that the broker has cleared since the last call."""
        return self._retained.cleared()

    @property
    def settled(self) -> bool:
        """Whether the broker has answered all retained values; never while there is no connection."""
        return self._link is not None and not self._values and self._retained.settled

    def resend(self) -> None:
        """Send all retained values again with the next calls of `pump`."""
        self._retained.again()

    def commands(self) -> list[Command]:
        """Commands that arrived since the last call, oldest first."""
        found = []
        while not self._commands.empty():
            found.append(self._commands.get_nowait())
        self._flooded = False
        return found

    def pump(self, now: float) -> list[Acknowledged]:
        """Take in what the network thread left and send what there is to send; never waits for the network.

        Args:
            now: UTC seconds.

        Returns:
            The events that the broker has acknowledged since the last call that returned.

        Raises:
            StateError: The outbox cannot be used. Retained values have been sent all the same, events have not.
        """
        self._stirred.clear()
        event_ids = []
        while not self._records.empty():
            answered = self._take(self._records.get_nowait())
            if answered is not None:
                self._acknowledged.append(answered)
                event_ids.append(answered.event_id)
        # Values first: they need no disk, and whether we are there must be said even when it is full.
        if self._link is not None:
            self._send_values(self._link)
        self._delivery.record(event_ids, now)
        if self._link is not None and not self._stopping:
            self._send_events(self._link, now)
        return self._hand_over()

    def stop(self, timeout: float) -> list[Acknowledged]:
        """Send what still can be sent, say `offline`, disconnect; takes at most about `timeout` seconds.

        Returns:
            The events acknowledged meanwhile; the others remain in the outbox, and so do those whose
            acknowledgement the disk refused.
        """
        deadline = time.monotonic() + timeout
        acknowledged = self._flush(deadline - min(1.0, timeout / 2))
        self._stopping = True
        self._retained.set(self._topics.status, OFFLINE)
        acknowledged += self._flush(deadline)
        self._network.stop(self._link, max(deadline - time.monotonic(), 0.1))
        return acknowledged + self._hand_over()

    def _flush(self, deadline: float) -> list[Acknowledged]:
        acknowledged: list[Acknowledged] = []
        failed = False
        while True:
            try:
                acknowledged += self.pump(time.time())
                nothing_waits = self._stopping or self._paused_until is not None or self._delivery.idle
            except StateError as error:
                if not failed:
                    log.error("events remain in the outbox: %s", error)
                # Values, `offline` among them, are still waited for.
                failed = nothing_waits = True
            answered = not self._events and not self._values and self._retained.settled
            left = deadline - time.monotonic()
            if self._link is None or (nothing_waits and answered) or left <= 0:
                return acknowledged
            self._stirred.wait(left)

    def _hand_over(self) -> list[Acknowledged]:
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged

    def _new_network(self) -> Network:
        return Network(
            self._broker,
            client_id=self._client_id,
            status=self._topics.status,
            subscriptions=self._subscriptions,
            protocol=self._protocol,
            give_up_after=self._delivery.max_live_age,
            post=partial(self._post, self._records),
        )

    def _post(self, records: "queue.SimpleQueue[Record]", record: Record) -> None:
        """Called from the network thread, with the queue of its connection."""
        if not isinstance(record, Command):
            # Bounded by itself: at most one answer for each message on its way, and few of the others.
            records.put(record)
        else:
            # The last word counts, so the oldest goes. Nobody else puts, so there is room then.
            while self._commands.full():
                if not self._flooded:
                    log.warning("too many commands at once; the oldest are dropped")
                self._flooded = True
                with suppress(queue.Empty):
                    self._commands.get_nowait()
            self._commands.put_nowait(record)
        self._stirred.set()
        self._wake()

    def _take(self, record: Record) -> Acknowledged | None:
        match record:
            case Up(link):
                self._reset(link)
                self._network.subscribe(self._subscriptions, link)  # they may have changed while it connected
                self._retained.again()
            case Down():
                self._reset(None)
            case Answer(link, mid, refusal, monotonic) if link is self._link:
                return self._answered(mid, refusal, monotonic)
            case StatusContradicted() if not self._stopping:
                self._retained.again()
        return None

    def _reset(self, link: Link | None) -> None:
        self._link = link
        self._events.clear()
        self._values.clear()
        self._paused_until = None
        self._delivery.rewind()

    def _answered(self, mid: int, refusal: str | None, monotonic: float) -> Acknowledged | None:
        if mid in self._values:
            topic, payload = self._values.pop(mid)
            if refusal is None:
                self._retained.acknowledged(topic, payload)
            self._note_refusal(topic, refusal)
        if mid not in self._events:
            return None
        sent, sent_at = self._events.pop(mid)
        self._note_refusal(sent.topic, refusal)
        if refusal is not None:
            self._paused_until = time.monotonic() + REFUSED
            return None
        event = sent.pending
        return Acknowledged(
            event_id=event.event_id,
            event_type=event.event_type,
            camera=event.camera,
            late=sent.late,
            decided_at=event.decided_at,
            captured_monotonic=event.captured_monotonic,
            sent_monotonic=sent_at,
            acknowledged_monotonic=monotonic,
        )

    def _note_refusal(self, topic: str, refusal: str | None) -> None:
        if refusal is None:
            self._refused_topics.discard(topic)
        elif topic not in self._refused_topics:
            self._refused_topics.add(topic)
            log.error("MQTT broker %s refuses messages to %s: %s", self._broker, topic, refusal)

    def _send_values(self, link: Link) -> None:
        share = max(link.window // 4, 1)
        for topic, payload in self._retained.take(self._room(link, share - len(self._values))):
            self._values[link.publish(topic, payload, retain=True)] = topic, payload

    def _send_events(self, link: Link, now: float) -> None:
        if self._paused_until is not None:
            # What was sent behind a refused event is awaited first, or it would be sent twice.
            if self._events or time.monotonic() < self._paused_until:
                return
            self._paused_until = None
            self._delivery.rewind()
        share = max(link.window - link.window // 4, 1)
        for outgoing in self._delivery.next(self._room(link, share - len(self._events)), now, time.monotonic()):
            mid = link.publish(outgoing.topic, outgoing.payload, retain=False)
            self._events[mid] = outgoing, time.monotonic()

    def _room(self, link: Link, share: int) -> int:
        return max(min(share, link.window - len(self._events) - len(self._values)), 0)

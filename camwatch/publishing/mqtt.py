"""Connections to an MQTT broker with paho-mqtt 2; nothing else imports paho.

https://eclipse.dev/paho/files/paho.mqtt.python/html/client.html

The network thread connects, serves the connection and waits before the next attempt; its callbacks only put small
records on a queue. Every attempt uses a new paho client. paho would otherwise send its own unacknowledged messages
again after a reconnect, to the live topic, however old they had become by then.

MQTT 5 is tried first, because only version 5 tells that a topic is forbidden: in 3.1.1 such a message is acknowledged
and thrown away. A broker that knows only 3.1.1 gets 3.1.1.
"""

import logging
import random
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ssl import SSLCertVerificationError
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MQTTException
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from camwatch.errors import DeliveryError, InputError
from camwatch.publishing.broker import OFFLINE, Broker, reason
from camwatch.publishing.reconnect import Reconnect

log = logging.getLogger(__name__)

KEEPALIVE = 6
"""Seconds of silence before a ping; a dead connection is noticed after at most twice that, and left."""
WINDOW = 20
"""Messages on their way at most; also what mosquitto and MQTT 5 brokers commonly allow."""
LARGEST_COMMAND = 1024
_V5, _V311 = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
PATIENCE = {_V5: 2.0, _V311: 5.0}
"""Seconds for the broker to accept or refuse us; short for version 5, which some brokers meet with silence."""
# MQTT 5, table 2-6. paho translates the return codes of 3.1.1 into these.
_UNSUPPORTED_PROTOCOL = 0x84
_INCURABLE = {0x85, 0x86, 0x87, 0x8A, 0x8C}
_FAILURES = (OSError, ValueError, MQTTException)


@dataclass(slots=True, eq=False)
class Link:
    """One connection, or one attempt at it; paho hands it to every callback."""

    client: Client | None = None
    window: int = WINDOW
    reached: bool = False
    answered: bool = False
    up_at: float | None = None
    asked: tuple[str, ...] = ()
    end: str | None = None
    refused: bool = False
    unsupported: bool = False

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> int:
        """Hand a message of QoS 1 to the network thread; returns its id, unique among those on their way."""
        assert self.client is not None
        return self.client.publish(topic, payload, qos=1, retain=retain).mid

    def disconnect(self) -> None:
        """Say goodbye, so that the broker does not send the will."""
        if self.client is not None:
            self.client.disconnect()


@dataclass(frozen=True, slots=True)
class Up:
    """The broker accepted us."""

    link: Link


@dataclass(frozen=True, slots=True)
class Down:
    """A connection that was up has ended."""

    link: Link


@dataclass(frozen=True, slots=True)
class Answer:
    """The broker answered a message: it has it (`refusal` is None), or does not want it (MQTT 5 only)."""

    link: Link
    mid: int
    refusal: str | None
    monotonic: float


@dataclass(frozen=True, slots=True)
class StatusContradicted:
    """Somebody else spoke on our status topic while we are up: a will or a stop said `offline`, or it was cleared.

    Whoever does so, a second daemon with our node or one with a copy of our state, has spoken on our other topics too.
    """


@dataclass(frozen=True, slots=True)
class Command:
    """A message somebody sent to one of the subscribed topics."""

    topic: str
    payload: bytes


Record = Up | Down | Answer | StatusContradicted | Command


class Network:
    """The network thread: one connection after the other.

    Args:
        broker: Where to connect.
        client_id: The same for the life of the process: the broker then drops a half-open predecessor at once, and
            sends its will before our `online`, not half a minute after it.
        status: Topic of the last will.
        subscriptions: Topic filters of commands.
        protocol: 5 or 4 (that is 3.1.1) to insist on one; None tries 5, then 3.1.1.
        give_up_after: Seconds after which data that the other side has not confirmed is not to arrive any more.
        post: Takes the records; called from the network thread, must neither block nor raise.
    """

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str,
        status: str,
        subscriptions: Sequence[str],
        protocol: int | None,
        give_up_after: float,
        post: Callable[[Record], None],
    ) -> None:
        """Prepare the thread."""
        self._broker = broker
        self._client_id = client_id
        self._status = status
        self._subscriptions = [*subscriptions, status]
        self._asked: dict[int | None, list[str]] = {}  # subscriptions whose answer is awaited, by message
        self._fixed = None if protocol is None else MQTTProtocolVersion(protocol)
        self._version = self._fixed or _V5
        self._only_v311 = False
        self.give_up_after = give_up_after
        self._post = post
        self._reconnect = Reconnect(random.Random())
        self._stopping = threading.Event()
        # Daemonic: resolving a name can take longer than a stop may.
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self.problem: str | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self, link: Link | None, timeout: float) -> None:
        """Close the connection and make no more attempts; wait at most `timeout` seconds for the thread to end."""
        self._stopping.set()
        if link is not None:
            link.disconnect()
        if self._thread.is_alive():
            self._thread.join(timeout)
        self._post = _unheard  # a thread that is slow to end has nothing to say any more

    def subscribe(self, topics: Sequence[str], link: Link | None) -> None:
        """These are the filters of commands from now on.

        Args:
            topics: All of them.
            link: The present connection, where there is one.
        """
        self._subscriptions = [*topics, self._status]
        if link is None or link.client is None:
            return
        before, link.asked = link.asked, tuple(self._subscriptions)
        if gone := [topic for topic in before if topic not in self._subscriptions]:
            link.client.unsubscribe(gone)
        if new := [topic for topic in self._subscriptions if topic not in before]:
            self._ask(link.client, new)

    def _ask(self, client: Client, topics: Sequence[str]) -> None:
        _, mid = client.subscribe([(topic, 1) for topic in topics])
        self._asked[mid] = list(topics)

    def _run(self) -> None:
        while not self._stopping.is_set():
            link = Link()
            self._attempt(link)
            if self._stopping.is_set():
                return
            # Some brokers that do not know version 5 hang up on its greeting, or stay silent.
            puzzled = link.unsupported or (link.reached and not link.answered)
            if puzzled and self._fixed is None and self._version == _V5:
                self._version = _V311
                self._only_v311 = link.unsupported
                continue
            self._version = self._fixed or (_V311 if self._only_v311 else _V5)
            self._report(link)
            up_for = 0.0 if link.up_at is None else time.monotonic() - link.up_at
            self._stopping.wait(self._reconnect.delay(connected_for=up_for, refused=link.refused))

    def _attempt(self, link: Link) -> None:
        try:
            client = link.client = self._client(link)
            client.connect(self._broker.host, self._broker.port, keepalive=KEEPALIVE)
            link.reached = True
            patience = PATIENCE[self._version]
            deadline = time.monotonic() + patience
            while client.loop(0.5 if link.up_at is None else 1.0) == MQTTErrorCode.MQTT_ERR_SUCCESS:
                if link.up_at is None and self._stopping.is_set():
                    return
                if not link.answered and time.monotonic() > deadline:
                    link.end = f"no answer within {patience:g} s"
                    return
        except InputError as error:
            # The certificate files were good at the start; a renewal may be half done.
            link.end = str(error)
        except _FAILURES as error:
            link.end = reason(error)
            link.refused = isinstance(error, SSLCertVerificationError)
        finally:
            if link.client is not None:
                # Without the circle the client goes, and closes its sockets, as soon as nobody refers to it.
                link.client.user_data_set(None)
            if link.up_at is not None:
                self._post(Down(link))

    def _client(self, link: Link) -> Client:
        client = _new_client(self._broker, self._client_id, self._version, link)
        client.will_set(self._status, OFFLINE, qos=1, retain=True)
        client.on_socket_open = self._on_socket_open
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _report(self, link: Link) -> None:
        """One line for an outage, one more where a refusal is news."""
        text = link.end or ("the broker hung up" if link.up_at is None else "it broke off")
        if link.refused:
            if text != self.problem:
                log.error("MQTT broker %s refuses us: %s; asking again about once a minute", self._broker, text)
        elif self.problem is None:
            what = "cannot connect" if link.up_at is None else "connection lost"
            log.warning("MQTT broker %s: %s: %s; events wait in the outbox", self._broker, what, text)
        self.problem = text

    def _on_socket_open(self, _client: Client, _link: Link, sock: Any) -> None:
        # What the other side's kernel has not confirmed in time would otherwise still arrive when a broken network
        # heals, on the live topic (RFC 5482; Linux).
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, int(min(max(self.give_up_after, 5.0), 60.0) * 1000))

    def _on_connect(
        self, client: Client, link: Link, _flags: ConnectFlags, code: ReasonCode, properties: Properties | None
    ) -> None:
        link.answered = True
        if self._stopping.is_set():
            client.disconnect()  # too late: we have left already
            return
        if code.is_failure:
            link.end = str(code)
            link.unsupported = code.value == _UNSUPPORTED_PROTOCOL
            link.refused = code.value in _INCURABLE
            return
        link.up_at = time.monotonic()
        link.window = min(int(getattr(properties, "ReceiveMaximum", WINDOW)), WINDOW)
        self._asked = {}
        link.asked = tuple(self._subscriptions)
        self._ask(client, link.asked)
        again = " again" if self.problem is not None else ""
        version = "5" if self._version == _V5 else "3.1.1"
        log.info("MQTT broker %s: connected%s (MQTT %s)", self._broker, again, version)
        self.problem = None
        self._post(Up(link))

    def _on_disconnect(
        self, _client: Client, link: Link, flags: DisconnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        # paho has no better words than "Unspecified error" for a connection that just breaks.
        if link.end is None and (flags.is_disconnect_packet_from_server or str(code) == "Keep alive timeout"):
            link.end = str(code)

    def _on_publish(self, _client: Client, link: Link, mid: int, code: ReasonCode, _properties: object) -> None:
        self._post(Answer(link, mid, str(code) if code.is_failure else None, time.monotonic()))

    def _on_subscribe(
        self, _client: Client, _link: Link, mid: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        for topic, code in zip(self._asked.pop(mid, ()), codes, strict=False):
            if code.is_failure:
                log.warning("MQTT broker %s refuses the subscription to %s: %s", self._broker, topic, code)

    def _on_message(self, _client: Client, _link: Link, message: MQTTMessage) -> None:
        # A retained command would be obeyed again after every reconnect.
        if message.retain or len(message.payload) > LARGEST_COMMAND:
            return
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        if topic != self._status:
            self._post(Command(topic, bytes(message.payload)))
        elif message.payload in (OFFLINE, b""):
            self._post(StatusContradicted())


def _unheard(_record: Record) -> None:
    """Takes what nobody waits for."""


def probe(broker: Broker, *, timeout: float) -> str:
    """Connect once and leave again.

    Args:
        broker: Where to connect.
        timeout: Seconds to wait for the broker's answer, in each version of the protocol.

    Returns:
        The protocol version that was agreed on: `5` or `3.1.1`.

    Raises:
        DeliveryError: The broker cannot be reached or refuses us.
        InputError: A certificate file cannot be used.
    """
    for version, name in ((_V5, "5"), (_V311, "3.1.1")):
        answers: list[ReasonCode] = []
        client = _new_client(broker, f"camwatch-probe-{secrets.token_hex(4)}", version, answers)
        client.connect_timeout = timeout
        client.on_connect = lambda _client, answers, _flags, code, _properties: answers.append(code)
        deadline = time.monotonic() + timeout
        try:
            client.connect(broker.host, broker.port, keepalive=KEEPALIVE)
            while not answers and (left := deadline - time.monotonic()) > 0:
                if client.loop(left) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
            client.disconnect()
            client.loop(0.1)
        except _FAILURES as error:
            raise DeliveryError(f"MQTT broker {broker}: cannot connect: {reason(error)}") from error
        if answers and not answers[0].is_failure:
            return name
        if answers and answers[0].value != _UNSUPPORTED_PROTOCOL:
            raise DeliveryError(f"MQTT broker {broker} refuses us: {answers[0]}")
    raise DeliveryError(f"MQTT broker {broker}: no answer that MQTT knows within {timeout:g} s")


def _new_client(broker: Broker, client_id: str, version: MQTTProtocolVersion, userdata: object) -> Client:
    """A paho client with credentials and encryption set, for use with `Client.loop` in one thread.

    Raises:
        InputError: A certificate file cannot be used.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id,
        clean_session=True if version != _V5 else None,
        userdata=userdata,
        protocol=version,
        reconnect_on_failure=False,
    )
    # With this callback set, `publish` from another thread leaves the writing to the thread that calls `loop`.
    client.on_socket_register_write = lambda *_: None
    if broker.username is not None:
        client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls.context())
    return client

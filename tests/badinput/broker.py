"""MQTT: what a broker or anybody who publishes there may send, packet by packet and as commands."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from hypothesis import strategies as st
from paho.mqtt.client import MQTTMessage

from camwatch.publishing.broker import Broker
from camwatch.publishing.mqtt import Command, Link, Network, Record
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.topics import Topics
from camwatch.service.switches import Switches
from tests.badinput.kind import Kind, WrongAnswerError
from tests.badinput.mutants import mutants

TOPICS = Topics("camwatch", "n")
SET = TOPICS.camera_enabled_set("yard")


def _publish(topic: bytes, payload: bytes, properties: bytes = b"\0") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + properties + payload
    return b"\x30" + bytes([len(body)]) + body


ACCEPTED = b"\x20\x03\x00\x00\x00"
SEEDS = [
    ACCEPTED + b"\x90\x05\x00\x01\x00\x01\x01" + _publish(SET.encode(), b"OFF"),
    ACCEPTED + _publish(TOPICS.status.encode(), b"offline") + b"\xd0\x00",
    ACCEPTED + b"\x32" + bytes([2 + len(SET) + 2 + 1 + 2]) + len(SET).to_bytes(2, "big") + SET.encode() + b"\0\7\0ON",
    ACCEPTED + _publish(SET.encode(), b"ON", b"\x0a\x26\x00\x01a\x00\x01b\x23\x00\x01"),
    b"\x20\x0b\x00\x00\x08\x21\x00\x14\x27\x00\x00\x10\x00" + b"\xe0\x02\x8b\x00",
    b"\x20\x03\x00\x87\x00",
    b"\x20\x02\x00\x00" + b"\x40\x02\x00\x01\x62\x02\x00\x01\x70\x02\x00\x01",
]


def _packets(_: Path) -> Callable[[bytes], None]:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    records: list[Record] = []

    def answer(data: bytes) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            try:
                connection.recv(4096)
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
            except OSError:
                return

    def read(data: bytes) -> None:
        records.clear()
        network = Network(
            Broker("127.0.0.1", port),
            client_id="n",
            status=TOPICS.status,
            subscriptions=[SET],
            protocol=5,
            give_up_after=10.0,
            post=records.append,
        )
        server = threading.Thread(target=answer, args=(data,), daemon=True)
        server.start()
        link = Link()
        network._attempt(link)
        server.join(10)
        commands = [record for record in records if isinstance(record, Command)]
        if any(len(command.payload) > 1024 for command in commands):
            raise WrongAnswerError("a command that is too large")
        if not commands:
            logging.getLogger("bench").warning("refused")

    return read


def _commands(folder: Path) -> Callable[[tuple[bytes, bytes, bool]], None]:
    outbox, _ = Outbox.open(folder / "events.sqlite", time.time())
    publisher = MqttPublisher(
        broker=Broker("127.0.0.1", 9),
        topics=TOPICS,
        outbox=outbox,
        max_live_age=10.0,
        wake=lambda: None,
        subscriptions=[SET],
    )
    path = folder / "switches.json"

    def read(value: tuple[bytes, bytes, bool]) -> None:
        topic, payload, retained = value
        path.unlink(missing_ok=True)
        switches = Switches(path, {"yard": True})
        message = MQTTMessage(topic=topic)
        message.payload, message.retain = payload, retained
        publisher._network._on_message(None, Link(), message)  # type: ignore[arg-type]
        publisher.pump(time.time())
        for command in publisher.commands():
            if command.topic == SET and command.payload in (b"ON", b"OFF"):
                switches.set("yard", command.payload == b"ON")
        meant = topic == SET.encode() and payload == b"OFF" and not retained
        if switches.is_on("yard") == meant:
            raise WrongAnswerError(f"the switch is {switches.is_on('yard')}")
        if not meant:
            logging.getLogger("bench").warning("refused")

    return read


WHERE = st.one_of(st.just(SET.encode()), st.just(TOPICS.status.encode()), st.binary(max_size=40), st.just(b"+/#"))
WHAT = st.one_of(
    st.sampled_from([b"ON", b"OFF", b"on", b"ON\0", b"", b"offline", b"online", b"O" * 2000, b"\xff\xfe", b"ON\n"]),
    st.binary(max_size=30),
    st.integers(1000, 1 << 20).map(lambda size: b"O" * size),
)


def _at_all(random: Random) -> bytes:
    return random.choice((b"", ACCEPTED)) + random.randbytes(random.randrange(60))


KINDS = (
    Kind("MQTT packets", _packets, {"mutants": mutants(SEEDS), "noise": _at_all}, {}, share=7, seconds=30),
    Kind("MQTT commands", _commands, {"any": st.tuples(WHERE, WHAT, st.booleans())}, {}, share=7),
)

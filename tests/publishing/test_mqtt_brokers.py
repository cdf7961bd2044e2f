"""Ways in: encryption, protocol versions, brokers that misbehave, and asking once."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from camwatch.errors import DeliveryError, InputError
from camwatch.publishing import mqtt
from camwatch.publishing.broker import Broker, Tls
from camwatch.publishing.mqtt import probe
from tests.publishing.events import event, ids
from tests.publishing.owner import TOPICS, Owner, address
from tests.rigs.mosquitto import Authority, Subscriber
from tests.rigs.ports import free_port

pytestmark = pytest.mark.system

Start = Callable[..., Any]


def encrypted(mosquitto: Any, host: str = "localhost", **tls: Any) -> Broker:
    return Broker(host, mosquitto.tls_port, tls=Tls(**tls))


@pytest.fixture
def own_certificate(mosquitto: Start, tmp_path: Path) -> Any:
    """A broker whose certificate its own authority signed."""
    return mosquitto(tls=True)


def test_encrypted_delivery(own_certificate: Any, tmp_path: Path) -> None:
    with Owner(tmp_path, encrypted(own_certificate, ca_certs=own_certificate.ca_certs)) as owner:
        owner.publisher.retain("camwatch/nvr1/x", b"x" * 300_000)
        owner.put(*(event(number) for number in range(50)))
        owner.pump_until_delivered()
        with Subscriber(own_certificate, "camwatch/nvr1/x") as seen:
            assert len(seen.wait_for(lambda all_: all_)[0].payload) == 300_000


def test_a_certificate_of_somebody_else_is_refused_and_said_once(
    own_certificate: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = Authority(tmp_path / "other", "somebody else").certificate
    for wrong in ({"ca_certs": other}, {"ca_certs": other, "insecure": True}, {}):
        with Owner(tmp_path, encrypted(own_certificate, **wrong)) as owner:
            publisher = owner.publisher
            owner.pump_until(lambda told=publisher: told.problem)  # type: ignore[misc]
            assert "certificate not accepted" in (publisher.problem or "")
            assert not publisher.connected
    assert [record.levelname for record in caplog.records if "refuses us" in record.getMessage()] == ["ERROR"] * 3


def test_the_host_must_be_the_certificate_s_unless_told_otherwise(mosquitto: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.sign("elsewhere", alternatives="DNS:elsewhere.example")
    port = free_port()
    mosquitto(extra=[f"listener {port} 127.0.0.1", f"certfile {certificate}", f"keyfile {key}"])
    there = Broker("localhost", port, tls=Tls(ca_certs=authority.certificate))
    with pytest.raises(DeliveryError, match="certificate not accepted: Hostname mismatch"):
        probe(there, timeout=5)
    assert probe(Broker("localhost", port, tls=Tls(ca_certs=authority.certificate, insecure=True)), timeout=5) == "5"


def test_a_client_certificate_is_shown(mosquitto: Start, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    server, server_key = authority.sign("server")
    own, own_key = authority.sign("camwatch")
    port = free_port()
    mosquitto(
        extra=[
            f"listener {port} 127.0.0.1",
            f"cafile {authority.certificate}",
            f"certfile {server}",
            f"keyfile {server_key}",
            "require_certificate true",
        ]
    )
    with_it = Tls(ca_certs=authority.certificate, certfile=own, keyfile=own_key)
    assert probe(Broker("localhost", port, tls=with_it), timeout=5) == "5"
    with pytest.raises(DeliveryError):
        probe(Broker("localhost", port, tls=Tls(ca_certs=authority.certificate)), timeout=5)


def test_files_that_are_no_certificates_are_one_clear_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    missing = tmp_path / "missing.pem"
    for tls, named in (
        (Tls(ca_certs=missing), missing),
        (Tls(ca_certs=wrong), wrong),
        (Tls(certfile=missing), missing),
        (Tls(certfile=wrong), wrong),
    ):
        with pytest.raises(InputError) as caught:
            tls.context()
        assert str(caught.value).startswith(f"{named}: no usable ")
        assert "\n" not in str(caught.value)


@contextmanager
def amqtt_broker() -> Iterator[int]:
    """A broker that knows only MQTT 3.1.1, in a thread; yields its port."""
    amqtt = pytest.importorskip("amqtt.broker")
    port = free_port()
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> Any:
        broker = amqtt.Broker(config)
        await broker.start()
        return broker

    try:
        broker = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        try:
            yield port
        finally:
            asyncio.run_coroutine_threadsafe(broker.shutdown(), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("protocol", [None, 4])
def test_a_broker_that_knows_only_the_older_protocol(
    tmp_path: Path, protocol: int | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This one says nothing at all to a greeting in MQTT 5.
    monkeypatch.setitem(mqtt.PATIENCE, MQTTProtocolVersion.MQTTv5, 0.5)
    caplog.set_level(logging.INFO, "camwatch")
    with amqtt_broker() as port:
        broker = Broker("127.0.0.1", port)
        with Subscriber(broker) as seen, Owner(tmp_path, broker, protocol=protocol) as owner:
            owner.publisher.retain("camwatch/nvr1/x", b"x" * 300_000)
            events = [event(number) for number in range(50)]
            owner.put(*events)
            owner.pump_until_delivered()
            messages = seen.wait_for(lambda all_: sum(m.topic == TOPICS.event for m in all_) >= 50)
            assert ids([m.payload for m in messages if m.topic == TOPICS.event]) == [each.event_id for each in events]
        seen_last = [m for m in messages if m.topic == TOPICS.status]
        assert seen_last[0].payload == b"online"
        assert probe(broker, timeout=0.5) == "3.1.1"
    assert "connected (MQTT 3.1.1)" in caplog.text


class Impostor:
    """Listens like a broker and does to each connection what it is told."""

    def __init__(self, behave: Callable[[socket.socket, int], None]) -> None:
        """Behave is called in a thread with each connection and its number."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._behave = behave
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        for number in range(1000):
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                self._behave(connection, number)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


def test_a_broker_that_hangs_up_on_the_newer_protocol_gets_the_older(tmp_path: Path) -> None:
    versions: list[int] = []

    def old(connection: socket.socket, _number: int) -> None:
        hello = connection.recv(1024)
        versions.append(hello[8])
        if hello[8] == 4:
            connection.sendall(b"\x20\x02\x00\x00")
            while connection.recv(1024):
                pass

    impostor = Impostor(old)
    with Owner(tmp_path, Broker("127.0.0.1", impostor.port)) as owner:
        owner.pump_until_connected()
        assert versions == [5, 4]
        owner.publisher.stop(0.2)
    impostor.close()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x20\x03\x00\x00\x00\x40\x02\xff\xff\x30\x02\xff\xff",
        b"\x20\x03\x00\x00\x00\x90\x00\xd0\xff\xff\xff\xff\xff",
        b"\x20\x00",
        b"\xff" * 64,
        b"\x00" * 64,
    ],
)
def test_rubbish_from_the_other_side_is_an_outage_and_no_more(tmp_path: Path, rubbish: bytes) -> None:
    tries: list[int] = []

    def babble(connection: socket.socket, number: int) -> None:
        connection.recv(1024)
        tries.append(number)
        connection.sendall(rubbish)

    impostor = Impostor(babble)
    with Owner(tmp_path, Broker("127.0.0.1", impostor.port)) as owner:
        owner.put(event(1))
        owner.pump_until(lambda: len(tries) >= 3)
        assert owner.outbox.count() == 1
        owner.publisher.stop(0.2)
    impostor.close()


def test_asking_once(mosquitto: Start) -> None:
    broker = mosquitto(users={"camwatch": "right"})
    assert probe(address(broker, username="camwatch", password="right"), timeout=5) == "5"
    where = f"MQTT broker 127.0.0.1:{broker.port}"
    with pytest.raises(DeliveryError, match=f"{where} refuses us: Not authorized") as caught:
        probe(address(broker, username="camwatch", password="staple"), timeout=5)
    assert "staple" not in str(caught.value)
    broker.stop()
    with pytest.raises(DeliveryError, match=f"{where}: cannot connect: Connection refused"):
        probe(address(broker), timeout=5)
    with pytest.raises(DeliveryError, match=r"\.invalid:1883: cannot connect: host name not found"):
        probe(Broker("no-such-host.invalid"), timeout=5)

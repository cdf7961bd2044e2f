"""The broker's certificate: only the right one is believed, and every other is one clear line in the log."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from camwatch.errors import DeliveryError
from camwatch.publishing.broker import Broker, Tls
from camwatch.publishing.mqtt import probe
from tests.publishing.events import event
from tests.publishing.owner import Owner
from tests.rigs.authority import Authority

pytestmark = pytest.mark.system

Start = Callable[..., Any]
Files = tuple[Path, Path]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def encrypted(mosquitto: Start) -> Callable[..., int]:
    """Starts a broker with this certificate; the port where it is encrypted."""

    def start(files: Files, *extra: str) -> int:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        mosquitto(extra=[f"listener {port} 127.0.0.1", f"certfile {files[0]}", f"keyfile {files[1]}", *extra])
        return port

    return start


def lines_of(folder: Path, broker: Broker, caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says until a connection has failed for the second time; nothing was delivered."""
    with Owner(folder, broker) as owner:
        owner.put(event(1))
        owner.pump_until(lambda: owner.publisher.problem)
        assert not owner.publisher.connected
        assert owner.outbox.count() == 1
        owner.publisher.stop(0.2)
    return [record.getMessage() for record in caplog.records]


def refusal(broker: Broker) -> str:
    with pytest.raises(DeliveryError) as caught:
        probe(broker, timeout=5)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_right_authority_and_the_right_host(
    encrypted: Callable[..., int], authority: Authority, tmp_path: Path, host: str
) -> None:
    port = encrypted(authority.sign("broker"))
    with Owner(tmp_path, Broker(host, port, tls=Tls(authority.certificate))) as owner:
        owner.put(event(1))
        owner.pump_until_delivered()


def wrong_authority(authority: Authority, folder: Path) -> tuple[Files, Tls]:
    return Authority(folder / "stranger").sign("broker"), Tls(authority.certificate)


def only_the_system(authority: Authority, folder: Path) -> tuple[Files, Tls]:
    return authority.sign("broker"), Tls()


def expired(authority: Authority, folder: Path) -> tuple[Files, Tls]:
    return authority.sign("broker", expired=True), Tls(authority.certificate)


def another_host(authority: Authority, folder: Path) -> tuple[Files, Tls]:
    return authority.sign("broker", alternatives="DNS:elsewhere.example"), Tls(authority.certificate)


def self_signed(authority: Authority, folder: Path) -> tuple[Files, Tls]:
    return authority.sign_itself("broker", alternatives="DNS:localhost"), Tls(authority.certificate)


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (wrong_authority, ("certificate signature failure", "unable to get local issuer certificate")),
        (only_the_system, ("unable to get local issuer certificate", "self-signed certificate in certificate chain")),
        (expired, ("certificate has expired",)),
        (another_host, ("Hostname mismatch, certificate is not valid for 'localhost'.",)),
        (self_signed, ("self-signed certificate",)),
    ],
)
def test_a_wrong_certificate_is_refused_in_one_line(
    encrypted: Callable[..., int],
    authority: Authority,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    case: Callable[[Authority, Path], tuple[Files, Tls]],
    words: tuple[str, ...],
) -> None:
    files, tls = case(authority, tmp_path)
    broker = Broker("localhost", encrypted(files), "cam", "hunter2", tls)
    expected = {
        f"MQTT broker localhost:{broker.port} refuses us: certificate not accepted: {reason}; "
        "asking again about once a minute"
        for reason in words
    }
    [line] = lines_of(tmp_path, broker, caplog)
    assert line in expected
    assert any(f"certificate not accepted: {reason}" in refusal(broker) for reason in words)


def test_insecure_is_about_the_host_alone(encrypted: Callable[..., int], authority: Authority, tmp_path: Path) -> None:
    files, _ = another_host(authority, tmp_path)
    port = encrypted(files)
    assert probe(Broker("localhost", port, tls=Tls(authority.certificate, insecure=True)), timeout=5) == "5"
    stranger = Authority(tmp_path / "stranger").certificate
    assert "certificate not accepted" in refusal(Broker("localhost", port, tls=Tls(stranger, insecure=True)))


@pytest.fixture
def asks_for_certificates(encrypted: Callable[..., int], authority: Authority) -> int:
    """Port of a broker that lets in who shows a certificate of `authority`, under the name in it."""
    return encrypted(
        authority.sign("broker"),
        f"cafile {authority.certificate}",
        "require_certificate true",
        "use_identity_as_username true",
    )


def test_our_own_certificate_opens_the_door(asks_for_certificates: int, authority: Authority, tmp_path: Path) -> None:
    own, key = authority.sign("camwatch")
    tls = Tls(authority.certificate, own, key)
    with Owner(tmp_path, Broker("localhost", asks_for_certificates, tls=tls)) as owner:
        owner.put(event(1))
        owner.pump_until_delivered()
    both = tmp_path / "both.pem"
    both.write_bytes(own.read_bytes() + key.read_bytes())
    there = Broker("localhost", asks_for_certificates, tls=Tls(authority.certificate, both))
    assert probe(there, timeout=5) == "5"


@pytest.mark.parametrize("kind", ["none", "stranger", "expired"])
def test_the_wrong_one_of_ours_does_not(
    asks_for_certificates: int, authority: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    own: tuple[Path | None, Path | None] = (None, None)
    if kind == "stranger":
        own = Authority(tmp_path / "stranger").sign("camwatch")
    elif kind == "expired":
        own = authority.sign("camwatch", expired=True)
    broker = Broker("localhost", asks_for_certificates, tls=Tls(authority.certificate, *own))
    [line] = lines_of(tmp_path, broker, caplog)
    assert line.startswith(f"MQTT broker localhost:{asks_for_certificates}: cannot connect: ")
    assert "\n" not in line
    refusal(broker)


def test_encryption_on_one_side_only(mosquitto: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broker = mosquitto(tls=True)
    [line] = lines_of(tmp_path / "a", Broker("localhost", broker.port, "cam", "hunter2", Tls(broker.ca_certs)), caplog)
    assert line.startswith(f"MQTT broker localhost:{broker.port}: cannot connect: ")
    caplog.clear()
    [line] = lines_of(tmp_path / "b", Broker("localhost", broker.tls_port, "cam", "hunter2"), caplog)
    assert line.startswith(f"MQTT broker localhost:{broker.tls_port}: cannot connect: ")
    assert "hunter2" not in caplog.text + broker.log

"""Encrypted cameras: the right certificate is believed, every wrong one is refused with its reason."""

import itertools
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import pytest

from camwatch.capture.source import Trust, open_source
from camwatch.errors import SourceError, SourceRefused, SourceUnavailable
from tests.rigs import clips
from tests.rigs.authority import OPENSSL_MISSING, Authority

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(OPENSSL_MISSING is not None, reason=str(OPENSSL_MISSING)),
]

ENOUGH = 20.0
"""Seconds after which a busy machine has had its time."""
HINT = "; tls.ca_certs and tls.server_name of the camera can say which one is right"

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another authority, by the same name."""
    return Authority(tmp_path_factory.mktemp("stranger"))


def trusting(file: Path, server_name: str | None = None) -> Trust:
    return Trust(str(file), server_name)


def pictures(address: str, trust: Trust | None, *, timeout: float = ENOUGH) -> int:
    """Read five pictures."""
    with closing(open_source(address, timeout=timeout, trust=trust)) as source:
        return len(list(itertools.islice(source.frames(), 5)))


def refusal(address: str, trust: Trust | None, *, timeout: float = ENOUGH) -> SourceError:
    with pytest.raises(SourceError) as caught:
        pictures(address, trust, timeout=timeout)
    assert caught.value.__context__ is None  # FFmpeg's own error has the password in it
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def camera(rtsp_server: Start, authority: Authority, clip: Path) -> Any:
    """Its certificate is for loopback, signed by `authority`."""
    return rtsp_server({"/front": clip}, auth="digest", user="cam:s3cret", tls=authority.sign("camera"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_right_certificate_is_believed(camera: Any, authority: Authority, host: str) -> None:
    assert camera.url("/front", host=host).startswith("rtsps://cam:s3cret@")
    assert pictures(camera.url("/front", host=host), trusting(authority.certificate)) == 5


def test_nobody_is_believed_unasked(camera: Any, authority: Authority, stranger: Authority) -> None:
    """Also not with the right name, and whatever it is that trusts the wrong ones."""
    for trust in (None, Trust(), trusting(stranger.certificate)):
        error = refusal(camera.url("/front"), trust)
        assert (type(error), error.reason) == (SourceRefused, "certificate")
        said = f"rtsps://***@127.0.0.1:{camera.port}/front: its certificate is not accepted: "
        assert str(error).startswith(said)
        assert str(error).endswith(HINT)
        assert "unable to get local issuer certificate" in str(error) or "signature" in str(error)


def test_an_expired_certificate(rtsp_server: Start, authority: Authority, clip: Path) -> None:
    camera = rtsp_server({"/front": clip}, tls=authority.sign("old", expired=True))
    error = refusal(camera.url("/front"), trusting(authority.certificate))
    assert (type(error), error.reason) == (SourceRefused, "certificate")
    assert f"not accepted: certificate has expired{HINT}" in str(error)


def test_a_certificate_for_another_host(rtsp_server: Start, authority: Authority, clip: Path) -> None:
    signed = authority.sign("elsewhere", alternatives="DNS:elsewhere.example")
    camera = rtsp_server({"/front": clip}, tls=signed)
    for host, words in (("localhost", "Hostname mismatch"), ("127.0.0.1", "IP address mismatch")):
        error = refusal(camera.url("/front", host=host), trusting(authority.certificate))
        assert (type(error), error.reason) == (SourceRefused, "certificate")
        assert words in str(error)
    assert refusal(camera.url("/front"), trusting(authority.certificate, "else.example")).reason == "certificate"
    assert pictures(camera.url("/front"), trusting(authority.certificate, "elsewhere.example")) == 5


def test_a_camera_that_signs_its_own_certificate(rtsp_server: Start, stranger: Authority, clip: Path) -> None:
    """The common case: trusted is this one certificate, under the name that the maker wrote into it."""
    own = stranger.sign_itself("own", alternatives="DNS:IPCAMERA")
    camera = rtsp_server({"/front": clip}, tls=own)
    error = refusal(camera.url("/front"), None)
    assert (type(error), error.reason) == (SourceRefused, "certificate")
    assert "not accepted: self-signed certificate" in str(error)
    assert refusal(camera.url("/front"), trusting(own[0])).reason == "certificate"
    assert pictures(camera.url("/front"), trusting(own[0], "IPCAMERA")) == 5


def test_without_verifying_everybody_is_believed(camera: Any) -> None:
    assert pictures(camera.url("/front"), Trust(verify=False)) == 5


def test_a_wrong_password_is_told_only_to_whom_is_believed(camera: Any, authority: Authority) -> None:
    wrong = camera.url("/front", user="cam:s3cret-not")
    error = refusal(wrong, trusting(authority.certificate))
    assert (type(error), error.reason) == (SourceRefused, "unauthorized")
    assert refusal(wrong, None).reason == "certificate"


def test_a_file_that_is_no_certificate(camera: Any, tmp_path: Path) -> None:
    file = tmp_path / "wrong.pem"
    file.write_text("no certificate")
    error = refusal(camera.url("/front"), trusting(file))
    assert (type(error), error.reason) == (SourceRefused, "certificate")
    assert f"{file} has no usable PEM certificates of authorities" in str(error)


def test_the_system_s_authorities_are_trusted_where_none_is_named(
    camera: Any, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a variable that names them, as OpenSSL knows it."""
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(authority.certificate))
    assert pictures(camera.url("/front"), None) == 5


def test_a_camera_without_encryption_is_told_apart(rtsp_server: Start, clip: Path) -> None:
    plain = rtsp_server({"/front": clip})
    error = refusal(f"rtsps://cam:s3cret@127.0.0.1:{plain.port}/front", None, timeout=5.0)
    assert isinstance(error, SourceUnavailable)
    assert error.reason in ("network", "timeout")


class HttpsCamera:
    """Sends JPEG pictures over HTTPS to whoever asks."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.asked: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(plain,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        with plain:
            try:
                connection = self._context.wrap_socket(plain, server_side=True)
                self.asked.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=f\r\n\r\n")
                for picture in clips.square_pictures((160, 120), 200):
                    data = cv2.imencode(".jpg", picture)[1].tobytes()
                    head = f"--f\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    connection.sendall(head.encode() + data + b"\r\n")
            except OSError:
                return


@pytest.fixture
def https_camera(authority: Authority) -> Iterator[HttpsCamera]:
    camera = HttpsCamera(*authority.sign("https"))
    yield camera
    camera.close()


def test_a_camera_over_https(https_camera: HttpsCamera, authority: Authority, stranger: Authority) -> None:
    address = f"https://cam:s3cret@127.0.0.1:{https_camera.port}/video"
    error = refusal(address, trusting(stranger.certificate))
    assert (type(error), error.reason) == (SourceRefused, "certificate")
    assert refusal(address, None).reason == "certificate"
    assert not any(https_camera.asked)  # the password was told to nobody
    assert pictures(address, trusting(authority.certificate)) == 5
    assert any(https_camera.asked)

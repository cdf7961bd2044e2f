"""Who may read what over HTTP, and what becomes of those who mean harm or do not know better."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from camwatch.errors import InputError
from camwatch.service import http_server
from camwatch.service.health import Verdict
from camwatch.service.http_server import HttpServer
from camwatch.service.metrics import metrics_app
from camwatch.service.telemetry import Telemetry
from tests.rigs.prometheus import PROMETHEUS_MISSING, Prometheus

TOKEN = "0123456789abcdef-._~+/=="
BEARER = f"Authorization: Bearer {TOKEN}"
ENOUGH = 20.0
"""Seconds after which a busy machine has had its time."""

Ask = Callable[..., tuple[int, dict[str, str], str]]


def exchange(port: int, sent: bytes, *, host: str = "127.0.0.1") -> bytes:
    """Send this and read to the end of the answer."""
    with socket.create_connection((host, port), timeout=ENOUGH) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    return answer


def parsed(answer: bytes) -> tuple[int, dict[str, str], str]:
    """Status, headers with small letters, and body."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(status.split()[1]), headers, body.decode()


def request(path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: h", *headers, "", ""]).encode("latin-1")


@contextlib.contextmanager
def serving(token: str | None = TOKEN, host: str = "127.0.0.1") -> Iterator[HttpServer]:
    server = HttpServer(
        host,
        0,
        token=token,
        metrics=metrics_app(Telemetry({})),
        health=lambda: Verdict(("front_door: frames wait",), ("garden: rtsp://***@192.168.1.20/1: away",)),
        ready=lambda: "the networks are loading",
    )
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with serving() as running:
        yield running


@pytest.fixture
def ask(server: HttpServer) -> Ask:
    return lambda *args, **how: parsed(exchange(server.port, request(*args, **how)))


# -- the token


def test_the_right_token_opens_the_metrics(ask: Ask) -> None:
    for header in (BEARER, f"authorization: bearer {TOKEN}", f"Authorization: Bearer  {TOKEN} "):
        status, _, body = ask("/metrics", header)
        assert status == 200
        assert "camwatch_build_info" in body


@pytest.mark.parametrize(
    "header",
    [
        "X: nothing",
        "Authorization: ",
        "Authorization: Bearer",
        "Authorization: Bearer ",
        f"Authorization: {TOKEN}",
        f"Authorization: Basic {TOKEN}",
        f"Authorization: Bearer {TOKEN[:-1]}",
        f"Authorization: Bearer {TOKEN}=",
        f"Authorization: Bearer {TOKEN.upper()}",
        "Authorization: Bearer \xe4\xff",
        "Authorization: Bearer " + "x" * 9000,
    ],
)
def test_any_other_is_refused_as_the_standard_says(ask: Ask, header: str) -> None:
    status, headers, body = ask("/metrics", header)
    assert status == 401
    error = ', error="invalid_token"' if header.startswith("Auth") else ""
    assert headers["www-authenticate"] == f'Bearer realm="camwatch"{error}'
    assert "camwatch_" not in body
    assert TOKEN not in body
    assert ask("/metrics", BEARER)[0] == 200


def test_a_token_in_the_address_opens_nothing(ask: Ask) -> None:
    """It would stand in the logs of whoever is between."""
    assert ask(f"/metrics?token={TOKEN}&access_token={TOKEN}")[0] == 401


def test_health_is_for_everybody_and_its_reasons_are_not(ask: Ask) -> None:
    assert ask("/healthz")[::2] == (503, "stuck\n")
    assert ask("/readyz")[::2] == (503, "not ready\n")
    assert "garden: rtsp://***@192.168.1.20/1: away" in ask("/healthz", BEARER)[2]
    assert ask("/readyz", BEARER)[2] == "the networks are loading\n"


def test_without_a_token_nothing_is_asked_for() -> None:
    with serving(token=None) as server:
        assert parsed(exchange(server.port, request("/metrics")))[0] == 200
        assert parsed(exchange(server.port, request("/metrics", "Authorization: Bearer anything")))[0] == 200


def test_a_new_token_counts_at_once_and_the_old_no_more(server: HttpServer, ask: Ask) -> None:
    port = server.port
    server.move("127.0.0.1", 0, token="another-token-of-16")
    assert server.port == port
    assert ask("/metrics", BEARER)[0] == 401
    assert ask("/metrics", "Authorization: Bearer another-token-of-16")[0] == 200
    server.move("127.0.0.1", 0, token=None)
    assert ask("/metrics")[0] == 200


def test_where_moving_fails_the_old_token_stays(server: HttpServer, ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(InputError, match="cannot listen"):
        server.move("127.0.0.1", taken.getsockname()[1], token=None)
    assert parsed(exchange(server.port, request("/metrics")))[0] == 401
    assert parsed(exchange(server.port, request("/metrics", BEARER)))[0] == 200


def test_wrong_tokens_are_told_once_a_minute_and_not_shown(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        ask("/metrics", "Authorization: Bearer n0t-the-token")
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.getMessage() == "http: 127.0.0.1 asked for /metrics with a wrong token"


@pytest.mark.system
@pytest.mark.skipif(PROMETHEUS_MISSING is not None, reason=str(PROMETHEUS_MISSING))
def test_prometheus_reads_the_token_from_a_file(server: HttpServer, tmp_path: Path, no_leftovers: None) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    with Prometheus(f"127.0.0.1:{server.port}", token=file) as prometheus:
        prometheus.wait_scraped(1, timeout=ENOUGH)
        assert prometheus.query("camwatch_build_info")
        [target] = prometheus.api("targets")["activeTargets"]
        assert target["health"] == "up"
        file.write_text("a-wrong-token-of-16")
        deadline = time.monotonic() + ENOUGH
        while "401" not in target["lastError"]:
            assert time.monotonic() < deadline, target
            time.sleep(0.1)
            [target] = prometheus.api("targets")["activeTargets"]


# -- requests that are not what they should be


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"])
def test_other_methods_are_refused(ask: Ask, method: str) -> None:
    status, headers, body = ask("/healthz", "Content-Length: 5", method=method)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert len(body) < 100


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/nothing"])
def test_head_has_the_headers_and_no_body(ask: Ask, path: str) -> None:
    got, asked = ask(path, BEARER, method="GET"), ask(path, BEARER, method="HEAD")
    assert asked[0] == got[0]
    assert asked[2] == ""
    assert asked[1]["content-type"] == got[1]["content-type"]
    if path != "/metrics":  # whose length changes with what it says of this process
        assert asked[1]["content-length"] == str(len(got[2]))


@pytest.mark.parametrize(
    "path",
    ["/", "/../../etc/passwd", "//etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/metrics/../../etc/passwd", "/metrics/",
     "/metrics%00", "/healthz/x", "http://elsewhere.example/metrics", "*", "/\xe4\xff", "/%ff%fe", "/METRICS"],
)  # fmt: skip
def test_there_are_three_pages_and_no_files(ask: Ask, path: str) -> None:
    status, _, body = ask(path)
    assert (status, body) == (404, "here are /metrics, /healthz and /readyz\n")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"\r\n\r\n", None),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /healthz NONSENSE/9\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\n\r\n", 505),
        (b"GET /healthz HTTP/1.1 and more <script>\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 1_000_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 100_000, 431),
    ],
    ids=["empty", "nonsense", "version", "newer", "words", "tls", "long-path", "long-header", "headers", "endless"],
)
def test_what_is_no_request_gets_a_short_answer(
    server: HttpServer,
    sent: bytes,
    status: int | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = exchange(server.port, sent)
    if status is None:
        assert len(answer) < 200
    else:
        assert parsed(answer)[0] == status
        assert len(answer) < 300
        assert b"script" not in answer
        assert b"Python" not in answer  # which version it is, is nobody's business
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())
    assert parsed(exchange(server.port, request("/healthz")))[0] == 503


def test_what_fails_in_here_is_not_told_outside(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Verdict:
        raise RuntimeError("hunter2")

    server = HttpServer("127.0.0.1", 0, metrics=metrics_app(Telemetry({})), health=broken, ready=lambda: None)
    try:
        status, _, body = parsed(exchange(server.port, request("/healthz")))
    finally:
        server.close()
    assert status == 500
    assert "hunter2" not in body
    assert "Traceback" not in body
    assert "".join(capfd.readouterr()) == ""
    assert [record.getMessage() for record in caplog.records] == ["a request failed"]


def test_whoever_leaves_in_the_middle_is_no_trouble(
    server: HttpServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for sent in (b"", b"GET", b"GET /metrics HTTP/1.1\r\nHo", request("/metrics", BEARER)):
        for _ in range(5):
            connection = socket.create_connection(("127.0.0.1", server.port))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a goodbye
            connection.sendall(sent)
            connection.close()
    assert parsed(exchange(server.port, request("/healthz")))[0] == 503
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())


# -- connections


def threads() -> int:
    return sum(thread.name.startswith("Thread-") for thread in threading.enumerate())


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + ENOUGH
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_silent_client_is_given_up(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server._Handler, "timeout", 0.3)
    assert parsed(exchange(server.port, b"GET /healthz HTTP/1.1\r\nHost:"))[0] == 408


def test_a_client_that_drips_is_given_up_too(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never silent for long enough, and never done."""
    monkeypatch.setattr(http_server, "LONGEST", 1.0)
    with socket.create_connection(("127.0.0.1", server.port), timeout=ENOUGH) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        with pytest.raises(OSError):
            for _ in range(round(ENOUGH / 0.1)):
                connection.sendall(b"X: y\r\n")
                time.sleep(0.1)
    wait_until(lambda: threads() == 0)


def huge(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
    start("200 OK", [])
    return [b"x" * (64 << 20)]


def test_a_client_that_does_not_read_is_given_up(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "LONGEST", 1.0)
    monkeypatch.setattr(http_server._Handler, "timeout", 60.0)
    monkeypatch.setattr(server, "_metrics", huge)
    with socket.create_connection(("127.0.0.1", server.port), timeout=ENOUGH) as connection:
        connection.sendall(request("/metrics", BEARER))
        wait_until(lambda: threads() > 0)
        wait_until(lambda: threads() == 0)


def test_there_are_never_many_at_once_and_a_new_one_is_always_heard(server: HttpServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4 * http_server.MOST):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert parsed(exchange(server.port, request("/healthz")))[0] == 503
        wait_until(lambda: threads() <= http_server.MOST)
        files = len(os.listdir(f"/proc/{os.getpid()}/fd"))  # noqa: PTH208 - only their number
        assert files < 5 * http_server.MOST + 100
    wait_until(lambda: threads() == 0)


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with serving(host="::1") as server:
        assert parsed(exchange(server.port, request("/metrics", BEARER), host="::1"))[0] == 200

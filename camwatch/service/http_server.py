"""`/metrics`, `/healthz` and `/readyz` over HTTP, in threads; on loopback unless the configuration says otherwise.

Whoever can reach the port can talk to this, so nothing that comes in is trusted: a request has a largest size and a
longest time, connections are counted, and no file is ever served.
"""

import contextlib
import hmac
import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import IO, Any, cast
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from camwatch.errors import InputError
from camwatch.service.health import Verdict

log = logging.getLogger(__name__)

MOST = 32
"""Connections at once; for one more, the one that has lasted longest is closed."""
LONGEST = 15.0
"""Seconds after which a connection is closed, whatever it is at."""
PATIENCE = 5.0
"""Seconds without a byte after which a request is given up."""
LARGEST = 16 * 1024
"""Bytes of a request line with its headers."""
LEFT_UNREAD = 1 << 20
"""Bytes that are read and thrown away after the answer: closing before that would take the answer back."""
REMIND = 60.0
"""Seconds between two lines of the log about wrong tokens."""

_Page = tuple[str, list[tuple[str, str]], bytes]
"""Status, headers without the length, body."""


class _Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection; few connections, and none for long."""

    daemon_threads = True
    request_queue_size = MOST

    def __init__(self, host: str, port: int, application: WSGIApplication) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._lock = threading.Lock()
        self._since: dict[socket.socket, float] = {}  # the one that has lasted longest first
        self.answer = application
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's: it looks up this host's name, and waits where no name server answers.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            while len(self._since) >= MOST:
                oldest = next(iter(self._since))
                del self._since[oldest]
                _hang_up(oldest)
            self._since[request] = time.monotonic()
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        over = time.monotonic() - LONGEST
        with self._lock:
            for request in [each for each, since in self._since.items() if since < over]:
                _hang_up(request)

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(1.0)
            left = LEFT_UNREAD
            while left > 0 and (unread := request.recv(65536)):
                left -= len(unread)
        with self._lock:
            self._since.pop(request, None)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request from %s broke off: %s", client_address, sys.exc_info()[1])


def _hang_up(request: socket.socket) -> None:
    """End a connection that another thread is busy with; its next read or write ends it there."""
    with contextlib.suppress(OSError):
        request.shutdown(socket.SHUT_RDWR)


class _Exchange(ServerHandler):
    """One request and its answer, through WSGI."""

    server_software = "camwatch"

    def __init__(self, request_handler: "_Handler", head: IO[bytes]) -> None:
        answer = cast("IO[bytes]", request_handler.wfile)
        super().__init__(head, answer, request_handler.get_stderr(), request_handler.get_environ())
        self.request_handler = request_handler
        self.os_environ = {}  # what stands in ours is none of a request's business

    def log_exception(self, exc_info: Any) -> None:
        if isinstance(exc_info[1], OSError):  # the other side is gone, or too slow
            log.debug("an answer broke off: %s", exc_info[1])
        else:
            log.error("a request failed", exc_info=exc_info)


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE

    def handle(self) -> None:
        self.requestline = self.request_version = self.command = ""
        try:
            head = self._head()
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT)
            return
        if head is None:
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return
        self.rfile = io.BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        if head and self.parse_request():
            _Exchange(self, self.rfile).run(cast("_Server", self.server).answer)

    def _head(self) -> bytes | None:
        """The request line and headers; None where they are too large."""
        head = b""
        while len(head) <= LARGEST:
            line = self.rfile.readline(LARGEST + 1 - len(head))
            head += line
            if line in (b"", b"\n", b"\r\n"):
                return head
        return None

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """A request that cannot be understood: its status in words, nothing of what it said."""
        status = HTTPStatus(code)
        body = f"{status.phrase}\n".encode()
        self.close_connection = True
        self.request_version = "HTTP/1.0"
        self.send_response_only(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log.debug("%s: %s", self.client_address[0], (format % args).encode("unicode_escape").decode("ascii"))


class HttpServer:
    """Serves until `close`.

    Args:
        host: Address to bind to.
        port: Port, 0 for any free one.
        token: What `/metrics` wants as `Authorization: Bearer TOKEN`; None asks for nothing. `/healthz` and `/readyz`
            are for everybody, but where there is a token they give reasons only to its owners: behind a proxy all
            others seem to be this machine.
        metrics: Answers `/metrics`.
        health: Called for `/healthz`, from a thread of this server.
        ready: Called for `/readyz`: None when ready, else why not.

    Raises:
        InputError: If the address cannot be bound.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        token: str | None = None,
        metrics: WSGIApplication,
        health: Callable[[], Verdict],
        ready: Callable[[], str | None],
    ) -> None:
        """Bind and begin to serve."""
        self._metrics = metrics
        self._health, self._ready = health, ready
        self._host, self._port, self._token = host, port, token
        self._reminded = float("-inf")
        self._server = self._listen(host, port)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def move(self, host: str, port: int, *, token: str | None = None) -> None:
        """Listen elsewhere, or ask for another token.

        Raises:
            InputError: If that cannot be bound; the present address is served on, with the present token.
        """
        if (host, port) != (self._host, self._port):
            self.close()  # first: the same port of all addresses is not free while one of them is listened on
            before, self._token = self._token, token  # nobody may come in by the other address with the old rule
            try:
                self._server = self._listen(host, port)
            except InputError:
                self._token = before
                self._server = self._listen(self._host, self._port)
                raise
        self._host, self._port, self._token = host, port, token

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def _listen(self, host: str, port: int) -> _Server:
        try:
            server = _Server(host, port, self._answer)
        except (OSError, OverflowError) as error:
            raise InputError(f"http: cannot listen on {host}:{port}: {error}; another host or port is needed") from None
        threading.Thread(target=server.serve_forever, args=(0.2,), name="http", daemon=True).start()
        return server

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        asked = environ["REQUEST_METHOD"]
        if asked in ("GET", "HEAD"):
            status, headers, body = self._page(environ)
        else:
            text = "only GET and HEAD are answered here\n"
            status, headers, body = _text("405 Method Not Allowed", text, ("Allow", "GET, HEAD"))
        start(status, [*headers, ("Content-Length", str(len(body)))])
        return [] if asked == "HEAD" else [body]

    def _page(self, environ: WSGIEnvironment) -> _Page:
        path, knows = environ.get("PATH_INFO", ""), self._knows_token(environ)
        if path == "/metrics":
            return _collected(self._metrics, environ) if knows else self._refuse(environ)
        if path == "/healthz":
            verdict = self._health()
            lines = [*verdict.problems, *(f"note: {note}" for note in verdict.notes)] if knows else []
            status = "200 OK" if verdict.healthy else "503 Service Unavailable"
            return _text(status, "\n".join(["ok" if verdict.healthy else "stuck", *lines]) + "\n")
        if path == "/readyz":
            reason = self._ready()
            if reason is None:
                return _text("200 OK", "ready\n")
            return _text("503 Service Unavailable", (reason if knows else "not ready") + "\n")
        return _text("404 Not Found", "here are /metrics, /healthz and /readyz\n")

    def _knows_token(self, environ: WSGIEnvironment) -> bool:
        """Whether a request has the right token, in constant time; any will do where none is asked for."""
        if self._token is None:
            return True
        scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token.encode())
        return right and scheme.lower() == "bearer"

    def _refuse(self, environ: WSGIEnvironment) -> _Page:
        given, now = "HTTP_AUTHORIZATION" in environ, time.monotonic()
        if now - self._reminded > REMIND:
            self._reminded = now
            what = "a wrong" if given else "no"
            log.warning("http: %s asked for /metrics with %s token", environ.get("REMOTE_ADDR"), what)
        challenge = 'Bearer realm="camwatch"' + (', error="invalid_token"' if given else "")
        text = "/metrics wants the token: Authorization: Bearer TOKEN\n"
        return _text("401 Unauthorized", text, ("WWW-Authenticate", challenge))


def _collected(application: WSGIApplication, environ: WSGIEnvironment) -> _Page:
    """What a WSGI application answers to a GET."""
    told: list[tuple[str, list[tuple[str, str]]]] = []
    chunks: list[bytes] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], object]:
        told.append((status, headers))
        return chunks.append

    chunks.extend(application({**environ, "REQUEST_METHOD": "GET"}, start))
    status, headers = told[-1]
    return status, [each for each in headers if each[0].lower() != "content-length"], b"".join(chunks)


def _text(status: str, body: str, *headers: tuple[str, str]) -> _Page:
    return status, [("Content-Type", "text/plain; charset=utf-8"), *headers], body.encode()

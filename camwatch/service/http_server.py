"""`/metrics`, `/healthz` and `/readyz` over HTTP, in a thread; on loopback unless the configuration says otherwise."""

import logging
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from camwatch.errors import InputError
from camwatch.service.health import Verdict

log = logging.getLogger(__name__)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a request from %s broke off", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = 10.0

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        log.debug(format, *args)


class HttpServer:
    """Serves until `close`.

    Args:
        host: Address to bind to.
        port: Port, 0 for any free one.
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
        metrics: WSGIApplication,
        health: Callable[[], Verdict],
        ready: Callable[[], str | None],
    ) -> None:
        """Bind and begin to serve."""
        self._metrics = metrics
        self._health, self._ready = health, ready
        self._host, self._port = host, port
        self._server = self._listen(host, port)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def move(self, host: str, port: int) -> None:
        """Listen elsewhere.

        Raises:
            InputError: If that cannot be bound; the present address is served on.
        """
        self.close()  # first: the same port of all addresses is not free while one of them is listened on
        try:
            self._server = self._listen(host, port)
        except InputError:
            self._server = self._listen(self._host, self._port)
            raise
        self._host, self._port = host, port

    def close(self) -> None:
        """Stop serving and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def _listen(self, host: str, port: int) -> _Server:
        try:
            server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Handler)
        except (OSError, OverflowError) as error:
            raise InputError(f"http: cannot listen on {host}:{port}: {error}; another host or port is needed") from None
        threading.Thread(target=server.serve_forever, args=(0.2,), name="http", daemon=True).start()
        return server

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return _text(start, "405 Method Not Allowed", "only GET and HEAD are answered here\n")
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._metrics(environ, start)
        if path == "/healthz":
            verdict = self._health()
            lines = [*verdict.problems, *(f"note: {note}" for note in verdict.notes)]
            status = "200 OK" if verdict.healthy else "503 Service Unavailable"
            return _text(start, status, "\n".join(["ok" if verdict.healthy else "stuck", *lines]) + "\n")
        if path == "/readyz":
            reason = self._ready()
            status = "200 OK" if reason is None else "503 Service Unavailable"
            return _text(start, status, (reason or "ready") + "\n")
        return _text(start, "404 Not Found", "here are /metrics, /healthz and /readyz\n")


def _text(start: StartResponse, status: str, body: str) -> list[bytes]:
    data = body.encode()
    start(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(data)))])
    return [data]

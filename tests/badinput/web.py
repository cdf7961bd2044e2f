"""HTTP requests, byte by byte over real sockets."""

import contextlib
import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path
from random import Random

from prometheus_client import CollectorRegistry, make_wsgi_app

from camwatch.service.health import Verdict
from camwatch.service.http_server import HttpServer
from tests.badinput.kind import CANARY, Kind, WrongAnswerError
from tests.badinput.mutants import mutants

SEEDS = [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
    b"GET /healthz HTTP/1.0\r\n\r\n",
    b"HEAD /readyz?x=1 HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    f"GET /metrics?name[]=x HTTP/1.1\r\nAuthorization: Bearer {CANARY}\r\nAccept-Encoding: gzip\r\n\r\n".encode(),
]
WORDS = [
    *(
        b"\r\n",
        b"\n",
        b"\0",
        b"\xff",
        b"%",
        b"%00",
        b"%ff",
        b"../",
        b"//",
        b"HTTP/9.9",
        b"HTTP/0.9",
        b"\r",
        b": ",
        b"?",
    ),
    *(b"A" * 9000, b"X: y\r\n" * 150, b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"#", b";", b"\t"),
]
_STATUS = re.compile(rb"HTTP/1\.[01] \d{3} ")
_BROKEN = re.compile(rb"^HTTP/1\.[01] 500 ")


def _reads(_: Path) -> Callable[[bytes], None]:
    server = HttpServer(
        "127.0.0.1",
        0,
        metrics=make_wsgi_app(CollectorRegistry()),
        health=lambda: Verdict((), ()),
        ready=lambda: None,
    )

    def ask(data: bytes) -> bytes:
        answer = b""
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=15)
        with connection, contextlib.suppress(ConnectionError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        return answer

    turn = [0]

    def read(data: bytes) -> None:
        answer = ask(data)
        turn[0] += 1
        if turn[0] % 20 == 0 and b" 200 " not in ask(SEEDS[1])[:20]:
            raise WrongAnswerError("the server answers no more")
        if _BROKEN.match(answer):
            raise WrongAnswerError(f"{answer[:80]!r}")
        first = data.split(b"\n", 1)[0]
        if answer and not _STATUS.match(answer) and len(first.split()) == 3:
            raise WrongAnswerError(f"{answer[:80]!r}")
        if CANARY.encode() in answer:
            raise WrongAnswerError("a secret in the answer")
        if b" 200 " not in answer[:20]:
            logging.getLogger("bench").warning("refused")

    return read


def _noise(random: Random) -> bytes:
    return random.randbytes(random.randrange(300)) + random.choice((b"", b"\r\n\r\n"))


KINDS = (Kind("HTTP", _reads, {"mutants": mutants(SEEDS, words=WORDS), "noise": _noise}, {}, share=12, seconds=20),)

"""Live sources against plain sockets and an HTTP camera; the RTSP server's own tests are in `test_rtsp.py`."""

import contextlib
import socket
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from camwatch.capture.motion import MotionGate
from camwatch.capture.sampling import FrameSampler
from camwatch.capture.selection import select
from camwatch.capture.source import open_source
from camwatch.errors import SourceError, SourceLost, SourceRefused, SourceUnavailable
from tests.rigs import clips

SOON = 5.0
"""Seconds in which things that take 0.3 s must be over, on a busy machine."""


class HttpCamera(ThreadingHTTPServer):
    """Sends JPEG pictures at 20 a second as `multipart/x-mixed-replace`; paths ask for other answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.silent, self.over = Event(), Event()

    def url(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: HttpCamera

    def do_GET(self) -> None:
        answer = {"/secret": 401, "/forbidden": 403, "/nothing": 404, "/busy": 503}.get(self.path)
        if answer is not None:
            self.send_error(answer)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with contextlib.suppress(OSError):
            for picture in clips.square_pictures((160, 120), 10_000):
                data = cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
                if self.server.over.wait(0.05):
                    return
                while self.server.silent.is_set() and not self.server.over.is_set():
                    time.sleep(0.01)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def camera() -> Iterator[HttpCamera]:
    with HttpCamera() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def failing(address: str, timeout: float = 0.4) -> SourceError:
    with pytest.raises(SourceError) as caught:
        list(open_source(address, timeout=timeout).frames())
    assert caught.value.__context__ is None
    assert "s3cret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_camera_that_accepts_and_never_answers_times_out(silent_port: int, scheme: str) -> None:
    before = time.monotonic()
    error = failing(f"{scheme}://cam:s3cret@127.0.0.1:{silent_port}/1")
    assert 0.4 <= time.monotonic() - before < SOON
    assert (type(error), error.reason) == (SourceUnavailable, "timeout")


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_closed_port(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failing(f"{scheme}://cam:s3cret@127.0.0.1:{port}/1")
    assert (type(error), error.reason) == (SourceUnavailable, "refused")


def test_a_name_that_does_not_resolve() -> None:
    error = failing("rtsp://cam:s3cret@camera.invalid/1", timeout=20)
    assert (type(error), error.reason) == (SourceUnavailable, "network")


def test_a_server_that_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n" * 100)

        thread = Thread(target=talk)
        thread.start()
        error = failing(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/1", timeout=2)
        thread.join()
    assert type(error) is SourceUnavailable
    assert error.reason in ("invalid", "network", "timeout", "refused")


@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/secret", SourceRefused, "unauthorized"),
        ("/forbidden", SourceRefused, "unauthorized"),
        ("/nothing", SourceRefused, "not_found"),
        ("/busy", SourceUnavailable, "refused"),
    ],
)
def test_what_an_http_camera_answers(camera: HttpCamera, path: str, kind: type[SourceError], reason: str) -> None:
    error = failing(camera.url(path, "cam:s3cret@"), timeout=SOON)
    assert (type(error), error.reason) == (kind, reason)


def test_motion_jpeg_has_the_times_of_arrival_and_is_sampled_by_them(camera: HttpCamera) -> None:
    source = open_source(camera.url("/"), timeout=SOON)
    wall, monotonic = time.time(), time.monotonic()
    chosen = []
    for one in select(source, FrameSampler(10), MotionGate(enabled=False)):
        chosen.append(one.raw)
        if len(chosen) == 10:
            source.close()
    assert len(chosen) == 10
    assert all(frame.pts is None for frame in chosen)  # FFmpeg would make up 25 a second
    assert chosen[-1].monotonic - chosen[0].monotonic > 0.6
    assert chosen[0].monotonic >= monotonic
    assert chosen[-1].captured_at - wall == pytest.approx(chosen[-1].monotonic - monotonic, abs=0.2)
    assert chosen[0].rgb().shape == (120, 160, 3)
    assert np.ptp(chosen[0].luma(16, 12).astype(int)) > 50


def test_an_http_camera_that_falls_silent_times_out(camera: HttpCamera) -> None:
    source = open_source(camera.url("/"), timeout=0.4)
    with pytest.raises(SourceLost) as caught:
        for _ in source.frames():
            camera.silent.set()
    assert caught.value.reason == "timeout"


def test_an_http_camera_that_hangs_up_is_lost(camera: HttpCamera) -> None:
    source = open_source(camera.url("/"), timeout=SOON)
    with pytest.raises(SourceLost) as caught:
        for _ in source.frames():
            camera.over.set()
    assert caught.value.reason in ("ended", "network")  # inside a picture it is an input error


def test_a_slow_consumer_is_not_taken_for_a_silent_camera(camera: HttpCamera) -> None:
    source = open_source(camera.url("/"), timeout=0.4)
    seen = 0
    for _ in source.frames():
        seen += 1
        if seen in (3, 5):
            time.sleep(0.6)
        if seen == 12:
            source.close()
    assert seen == 12


def test_close_from_another_thread_ends_a_blocked_reader_within_its_timeout(camera: HttpCamera) -> None:
    source = open_source(camera.url("/"), timeout=0.5)
    outcome: list[object] = []
    started = Event()

    def read() -> None:
        try:
            for _ in source.frames():
                camera.silent.set()
                started.set()
            outcome.append("ended")
        except SourceError as error:
            outcome.append(error)

    reader = Thread(target=read)
    reader.start()
    assert started.wait(SOON)
    source.close()
    reader.join(SOON)
    assert outcome == ["ended"]


def test_dropping_the_iterator_closes_the_connection(camera: HttpCamera, tmp_path: Path) -> None:
    source = open_source(camera.url("/"), timeout=SOON)
    frames = source.frames()
    next(frames)
    source.close()  # in the middle, by the same thread
    assert list(frames) == []

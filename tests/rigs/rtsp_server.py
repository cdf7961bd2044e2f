"""A real RTSP server for tests: GStreamer's gst-rtsp-server as a process of its own, on a free loopback port.

    with RtspServer({"/front": clip}, auth="digest") as server:
        open_source(server.url("/front"))
        server.command("stall", mount="/front")

The server plays the given H.264 or H.265 files as they are (no transcoding), by default in an endless loop, to any
number of viewers; the clip of a mount starts at its first picture when the first viewer comes. Faults come by
`command`: stall, freeze, corrupt, drop, resume, switch, kick, down, up, stats; `rtsp_serve.py` beside this file says
what each does. `suspend` stops the whole process like a camera that hangs, `kill` ends it like a power cut.

It needs packages of the operating system, see `APT_PACKAGES`; a test without them skips:

    pytestmark = [pytest.mark.system, pytest.mark.skipif(RTSP_MISSING is not None, reason=str(RTSP_MISSING))]
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from tests.rigs.ports import free_port

PYTHON = "/usr/bin/python3"
"""PyGObject comes from the operating system, so its Python runs the server."""
SCRIPT = Path(__file__).with_name("rtsp_serve.py")
APT_PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0",
    "glib-networking",
    "python3-gi",
    "gstreamer1.0-plugins-base",
    "gstreamer1.0-plugins-good",
    "gstreamer1.0-plugins-bad",
)


def _environment() -> dict[str, str]:
    """Ours without what would lead the system's Python to another Python's packages."""
    private = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "PYTHONSTARTUP")
    return {name: value for name, value in os.environ.items() if name not in private}


def _missing() -> str | None:
    """Why the server cannot run here, in one line that names what to install; None where it can."""
    how = f"install with apt-get: {' '.join(APT_PACKAGES)}"
    try:
        done = subprocess.run(
            [PYTHON, str(SCRIPT), "--check"],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no RTSP server: {PYTHON}: {type(error).__name__}; {how}"
    if done.returncode == 0:
        return None
    told = (done.stdout.strip() or done.stderr.strip() or "no reason given").splitlines()[-1]
    return f"no RTSP server: {told}; {how}"


RTSP_MISSING: str | None = _missing()
"""Why `RtspServer` cannot run on this machine, or None."""


class RtspServer:
    """Files as cameras; usable once, as a context manager or with `close()`.

    Args:
        mounts: The file behind each path (`/front`), H.264 or H.265.
        auth: Which authentication is asked for, if any.
        user: `name:password` that may watch.
        once: Mounts that play once: at the end the stream ends and the path answers 404 until `up`.
        transports: What the server offers, of `tcp` and `udp`.
        port: Where to listen; a free one where 0.
        tls: A certificate and its key (PEM): then it speaks RTSP over TLS and nothing else.

    Raises:
        RuntimeError: It does not start; the message has what it said.
    """

    def __init__(
        self,
        mounts: Mapping[str, Path],
        auth: Literal["basic", "digest"] | None = None,
        user: str = "cam:secret",
        *,
        once: Collection[str] = (),
        transports: Collection[str] = ("tcp", "udp"),
        port: int = 0,
        tls: tuple[Path, Path] | None = None,
    ) -> None:
        """Start it; returns as soon as it listens (about 0.3 s)."""
        self.auth, self.user = auth, user
        self.scheme = "rtsps" if tls else "rtsp"
        arguments = {
            "mounts": {path: {"file": str(file), "once": path in once} for path, file in mounts.items()},
            "auth": auth,
            "user": user,
            "transports": list(transports),
            "port": port or free_port(),
            "tls": [str(file) for file in tls] if tls else None,
        }
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the server
        self._process = subprocess.Popen(
            [PYTHON, str(SCRIPT), json.dumps(arguments)],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        try:
            ready = self._answer()
        except BaseException:
            self.close()
            raise
        self.port: int = ready["port"]
        self.mounts: dict[str, Any] = ready["mounts"]

    @property
    def pid(self) -> int:
        """Of the server process."""
        return self._process.pid

    def url(self, mount: str, user: str | None = None, *, host: str = "127.0.0.1") -> str:
        """The address of a mount, with credentials where the server asks for them.

        Args:
            mount: `/front`.
            user: Other credentials than the right ones; "" for none.
            host: Another name of this machine.
        """
        user = user if user is not None else self.user if self.auth else ""
        return f"{self.scheme}://{user + '@' if user else ''}{host}:{self.port}{mount}"

    def command(self, command: str, mount: str | None = None, **arguments: Any) -> dict[str, Any]:
        """Give a command and return the answer; without `mount` it is for the first one.

        Raises:
            RuntimeError: The server refused it, or is gone.
        """
        mount = mount if mount is not None else next(iter(self.mounts))
        order = {"cmd": command, "mount": mount, **arguments}
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order, default=str) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the RTSP server is gone") from None
        return self._answer()

    def suspend(self) -> None:
        """Stop the process where it is (SIGSTOP): connections stay, nothing is sent or answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def wake(self) -> None:
        """Let it go on after `suspend`."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the server, whatever state it is in; may be called again."""
        if self._process.poll() is None:
            self._process.terminate()
            self.wake()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it did not read any more
                    pipe.close()

    def __enter__(self) -> Self:
        """The running server."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            raise RuntimeError(f"the RTSP server is gone: {self._errors.read().strip() or 'it said nothing'}")
        answer: dict[str, Any] = json.loads(line)
        if not answer.pop("ok"):
            raise RuntimeError(f"the RTSP server refused: {answer['error']}")
        return answer

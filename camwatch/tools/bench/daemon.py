"""How long the daemon takes until it is ready, and how much memory its processes hold: measured on the real one."""

import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from camwatch.errors import CamwatchError
from camwatch.tools.bench.machine import resident_mb
from camwatch.tools.bench.material import parse_size, scene, scenes
from camwatch.tools.demo_broker import free_port
from camwatch.tools.footage import locate
from camwatch.tools.video import Mp4Writer

CAMERA_SIZES = ("1280x720", "1920x1080")
"""One camera of each."""
_DEADLINE = 180.0
_CLIP_SECONDS = 4


def daemon(
    engine: Mapping[str, str], *, seconds: float, files: Sequence[Path] = (), gallery: Path | None = None
) -> dict[str, Any]:
    """Start `camwatch run` on looped recordings, wait until it is ready, stop it; once more, and look at it at work.

    The first start converts networks, measures precisions and embeds the photo; the second one finds all that kept.
    No broker answers; it does not wait for one.

    Args:
        engine: The section `engine` of its configuration, such as `{"runtime": "openvino"}`.
        seconds: How long it is to work before its memory is read.
        files: The user's footage.
        gallery: Enrolled people; one who is never seen where None.

    Returns:
        `first_ready_s`, `ready_s` of the second start, `stop_s`, and `processes`: name, `now_mb`, `peak_mb`, and
        `shared_mb` of `now_mb`; None of a process that has just ended.

    Raises:
        CamwatchError: It ended, or is not ready after three minutes.
    """
    with tempfile.TemporaryDirectory(prefix="camwatch-bench-") as name:
        folder = Path(name)
        if gallery is None:
            (folder / "faces" / "Kim").mkdir(parents=True, mode=0o700)
            (folder / "faces" / "Kim" / "photo.jpg").write_bytes(locate("0-f15-hao-ph.jpg").read_bytes())
        clip = next(iter(scenes(files).values()))
        cameras = {}
        for size in CAMERA_SIZES:
            _record(folder / f"{size}.mp4", clip, parse_size(size))
            cameras[f"camera_{size.split('x')[1]}"] = {"source": str(folder / f"{size}.mp4"), "loop": True}
        port = free_port()
        config = {
            "node": "bench",
            "mqtt": {"host": "127.0.0.1", "port": free_port()},
            "recognition": {"faces": str(gallery or folder / "faces")},
            "events": {"state": str(folder / "state")},
            "http": {"host": "127.0.0.1", "port": port},
            "engine": dict(engine),
            "cameras": cameras,
        }
        path = folder / "bench.yml"
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        first, _, _ = _life(path, port, 0.0)
        ready, stop, told = _life(path, port, seconds)
        return {"first_ready_s": first, "ready_s": ready, "stop_s": stop, "processes": told}


def _life(config: Path, port: int, seconds: float) -> tuple[float, float, list[dict[str, Any]]]:
    """Seconds until ready, seconds to stop, and what the processes hold after they worked for `seconds`."""
    started = time.monotonic()
    with _running(config) as process:
        _until_ready(process, port, config.parent / "log")
        ready = time.monotonic() - started
        time.sleep(seconds)
        told = list(_processes(process.pid))
        stopping = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(30.0)
        return ready, time.monotonic() - stopping, told


@contextmanager
def _running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = (config.parent / "log").open("wb")
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "camwatch", "run", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(10.0)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            words = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise CamwatchError(f"bench: the daemon ended with exit status {process.returncode}: {' '.join(words)}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5.0):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.05)
    raise CamwatchError(f"bench: the daemon is not ready after {_DEADLINE:.0f} s")


def _processes(main: int) -> Iterator[dict[str, Any]]:
    """The daemon's processes with what they hold; a reader is called by the ring that it has."""
    yield _told("main", main)
    for child in _children(main):
        words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        module = next((word.decode() for word in words if word.startswith(b"camwatch.service.")), "")
        name = re.sub(r"^camwatch\.service\.|_main$", "", module)
        if name:
            yield _told(_ring(child) if name == "reader" else name, child)


def _children(parent: int) -> list[int]:
    told = Path(f"/proc/{parent}/task/{parent}/children")
    return [int(pid) for pid in told.read_text().split()]


def _ring(reader: int) -> str:
    """`reader 1080`, by the name of the shared memory among its files."""
    for file in Path(f"/proc/{reader}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            if match := re.search(r"memfd:camwatch-camera_(\d+)", str(file.readlink())):
                return f"reader {match[1]}p"
    return "reader"


def _told(name: str, pid: int) -> dict[str, Any]:
    memory = resident_mb(pid)
    return {"process": name} | {f"{key}_mb": memory.get(key) for key in ("now", "peak", "shared")}


def _record(path: Path, clips: Sequence[Path], size: tuple[int, int]) -> None:
    """A clip of a few seconds; the pictures change five times a second."""
    with Mp4Writer(path) as writer:
        for number, picture in enumerate(scene(clips, 5 * _CLIP_SECONDS, size)):
            for part in range(5):
                writer.write(number / 5 + part / 25, picture)

"""The whole daemon on embedded parts: a broker in this process, packaged weights, packaged footage as cameras.

The daemon is the real one, started as `camwatch run` is; what is printed was received over MQTT.
"""

import logging
import queue
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import cv2
import yaml
from rich.console import Console

from camwatch.capture.source import open_source
from camwatch.errors import CamwatchError
from camwatch.tools.demo_broker import DemoBroker, Received, free_port, running
from camwatch.tools.footage import locate

NODE = "demo"
DEADLINE = 180.0
"""Seconds after which the demo gives up; it takes about 40 on two cores, most of them to load the networks."""
STILLS = (6, 30, 60)
"""Frames of the enrolled man's clip that become his photos."""
CAMERAS = {"front_door": "noface_face.mov", "garden": "WolfgangLanger_Pexels.mp4"}
EXPECTED = {
    ("front_door", "recognized", "Sam"),
    ("front_door", "ended", "Sam"),
    ("garden", "unknown", None),
    ("garden", "ended", None),
}


def demo(*, serve: bool) -> int:
    """Run the demo; the exit status is 0 if every expected event arrived.

    Args:
        serve: Show the footage in a loop and keep running until Ctrl-C.

    Raises:
        InputError: The footage or the embedded broker is not installed.
        CamwatchError: The daemon or the broker did not work.
    """
    console = Console(highlight=False, soft_wrap=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="camwatch-demo-")))
        faces = _make_gallery(folder / "faces")
        console.print(f"camwatch demo: {len(faces)} people enrolled ({', '.join(faces)}), {len(CAMERAS)} cameras")
        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.CRITICAL)
        broker = stack.enter_context(running(f"camwatch/{NODE}/event"))
        port = free_port()
        config = _write_config(folder, broker.port, port, loop=serve)
        daemon = stack.enter_context(_daemon(config))
        if serve:
            return _serve(console, broker, port, daemon)
        seen = _watch(console, broker, daemon)
        figures = _figures(port)
        _print_numbers(console, figures)
        missing = EXPECTED - seen
        for camera, kind, person in sorted(missing, key=str):
            console.print(f"[red]missing: {kind} {person or 'nobody known'} at {camera}[/red]")
        _print_next(console)
        return 1 if missing else 0


def _make_gallery(faces: Path) -> list[str]:
    """Photos of two people: frames of the man's other clip, and a photo of somebody who never comes."""
    sam, kim = faces / "Sam", faces / "Kim"
    for person in (sam, kim):
        person.mkdir(parents=True, mode=0o700)
    clip = open_source(str(locate("single_face.mp4")))
    for number, frame in enumerate(clip.frames()):
        if number in STILLS:
            cv2.imwrite(str(sam / f"{number}.png"), frame.rgb()[:, :, ::-1])
    (kim / "photo.jpg").write_bytes(locate("0-f15-hao-ph.jpg").read_bytes())
    return [sam.name, kim.name]


def _write_config(folder: Path, mqtt_port: int, http_port: int, *, loop: bool) -> Path:
    config = {
        "node": NODE,
        "mqtt": {"host": "127.0.0.1", "port": mqtt_port},
        "recognition": {"faces": str(folder / "faces")},
        "events": {"state": str(folder / "state"), "visit_gap": "2s"},
        "http": {"host": "127.0.0.1", "port": http_port},
        "cameras": {name: {"source": str(locate(file)), "loop": loop} for name, file in CAMERAS.items()},
    }
    path = folder / "demo.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return path


@contextmanager
def _daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    daemon = subprocess.Popen([sys.executable, "-m", "camwatch", "run", str(config)], stdin=subprocess.DEVNULL)
    try:
        yield daemon
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(10.0)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _events(broker: DemoBroker, daemon: subprocess.Popen[bytes]) -> Iterator[Received | None]:
    """Events as they arrive, None once a second while there are none.

    Raises:
        CamwatchError: The daemon ended.
    """
    while daemon.poll() is None:
        try:
            yield broker.received.get(timeout=1.0)
        except queue.Empty:
            yield None
    raise CamwatchError(f"the daemon ended with exit status {daemon.returncode}")


def _watch(console: Console, broker: DemoBroker, daemon: subprocess.Popen[bytes]) -> set[tuple[str, str, str | None]]:
    """Print events until all expected ones are there, or it takes too long."""
    seen: set[tuple[str, str, str | None]] = set()
    deadline = time.monotonic() + DEADLINE
    for received in _events(broker, daemon):
        if received is not None:
            _print_event(console, received)
            event = received.payload
            seen.add((event["camera"], event["event_type"], event["person"]))
        if seen >= EXPECTED or time.monotonic() > deadline:
            break
    return seen


def _serve(console: Console, broker: DemoBroker, port: int, daemon: subprocess.Popen[bytes]) -> int:
    console.print(f"MQTT broker: 127.0.0.1:{broker.port}  (try: mosquitto_sub -p {broker.port} -t 'camwatch/#' -v)")
    console.print(f"metrics:     http://127.0.0.1:{port}/metrics   Ctrl-C ends it")
    try:
        for received in _events(broker, daemon):
            if received is not None:
                _print_event(console, received)
    except KeyboardInterrupt:
        return 0
    return 0


def _print_event(console: Console, received: Received) -> None:
    event = received.payload
    kind = event["event_type"]
    colour = {"recognized": "green", "unknown": "yellow"}.get(kind, "dim")
    score = "" if event["score"] is None else f"similarity {event['score']:.2f}, needed {event['threshold']:.2f}"
    console.print(
        f"[{colour}]{kind:<10}[/{colour}] {event['camera']:<11} {event['person'] or 'nobody known':<13}"
        f"{score}, {event['faces_used']} of {event['faces_seen']} faces used"
    )


def _figures(port: int) -> dict[str, float]:
    """The daemon's metrics: sample name with labels -> value."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10.0) as answer:
            text = answer.read().decode()
    except OSError as error:
        raise CamwatchError(f"the daemon's metrics cannot be read: {error}") from None
    lines = re.findall(r"^(camwatch_\S+?(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in lines}


def _print_numbers(console: Console, figures: dict[str, float]) -> None:
    def total(name: str, **labels: Any) -> float:
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(
            value for key, value in figures.items() if key.split("{")[0] == name and all(w in key for w in wanted)
        )

    captured, analyzed = total("camwatch_frames_captured_total"), total("camwatch_frames_total", outcome="analyzed")
    idle = total("camwatch_frames_total", outcome="idle")
    console.print(
        f"\nframes: {captured:.0f} captured, {analyzed:.0f} analysed, {idle:.0f} without motion, "
        f"{total('camwatch_faces_total'):.0f} faces"
    )
    frames = total("camwatch_batch_frames_sum") or 1.0
    stages = [
        f"{stage} {1000 * total('camwatch_stage_seconds_sum', stage=stage) / frames:.0f} ms"
        for stage in ("decode", "detect", "embed", "identify")
    ]
    console.print(f"per analysed frame: {', '.join(stages)}")
    for kind in ("recognized", "unknown"):
        count = total("camwatch_event_latency_seconds_count", event_type=kind)
        if count:
            seconds = total("camwatch_event_latency_seconds_sum", event_type=kind) / count
            console.print(f"{kind}: {seconds:.2f} s from the deciding frame to the broker's acknowledgement")


def _print_next(console: Console) -> None:
    console.print(
        "\nNext: `.venv/bin/camwatch demo --serve` keeps it running, with metrics and a broker to subscribe to; "
        "config/camwatch.minimal.yml is the start for a camera of your own; README.md tells the rest."
    )

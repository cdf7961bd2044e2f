"""One run of the live benchmark: real RTSP server, real broker, real daemon, real subscriber, for some seconds."""

import json
import socket
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import cameras_scene
from benchmarks.cameras_figures import (
    OUTCOMES,
    Load,
    ProcessSample,
    Samples,
    by_label,
    growth,
    holds,
    load,
    mean,
    parse,
    percentile,
    quantile,
    total,
)
from tests.rigs.mosquitto import Message, Mosquitto, Subscriber
from tests.rigs.rtsp_server import RtspServer
from tests.system.daemon import Daemon

SETTLE = 8.0
"""Seconds between the last camera's first picture and the first sample."""
RESTARTS = "camwatch_process_restarts_total"
LATE = 3.0
"""Seconds that events have to arrive after the time measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run.

    `doors` of the cameras show a visitor for `stay` seconds in every `every`; the others show nobody. `settings` are
    changes of the configuration by dotted key.
    """

    cameras: int
    gate: bool = True
    seconds: int = 60
    size: str = "720p"
    rate: int = 25
    fps: float = 5.0
    crf: int = 26
    doors: int = 1
    every: int = 60
    stay: int = 6
    settings: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it; times in seconds, `cpu` as a share of one core."""

    plan: Plan
    held: bool
    why_not: list[str]
    seconds: float
    start_to_ready: float
    megabits: float
    processes: dict[str, Load]
    readers_cpu: tuple[float, float]
    daemon_cpu: float
    frames: dict[str, float]
    captured: float
    due: float
    analysed_fps: tuple[float, float, float]
    considered_fps: tuple[float, float, float]
    batch: float
    queue: tuple[float | None, float | None]
    stages_ms: dict[str, float]
    acknowledged: dict[str, tuple[float | None, float | None]]
    first_face_to_name: tuple[float | None, float | None, float | None]
    visits: int
    named: int
    others: dict[str, int]
    restarts: dict[str, float]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run(plan: Plan, footage: Path) -> Result:
    """Run it. Everything that was started is ended, whatever happens.

    Args:
        plan: What to run.
        footage: The folder that clips are kept in.

    Raises:
        AssertionError: The daemon ended or did not become ready; the message has its log.
    """
    seconds = max(plan.every, round(plan.seconds / plan.every) * plan.every)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="camwatch-cameras-")))
        clips = _clips(plan, footage)
        server = stack.enter_context(RtspServer(clips, transports=("tcp",)))
        broker = stack.enter_context(Mosquitto())
        subscriber = stack.enter_context(Subscriber(broker, "camwatch/#"))
        config = _configuration(plan, folder, broker, {name: server.url(name) for name in clips})
        started = time.monotonic()
        daemon = Daemon(config, folder)
        stack.callback(_end, daemon)
        daemon.wait_ready()
        ready = time.monotonic() - started
        daemon.wait_for(lambda: _up(daemon) == plan.cameras, 30 + 2.0 * plan.cameras, "not all cameras up")
        time.sleep(SETTLE)
        watched = {
            "main": [psutil.Process(daemon.pid)],
            "inference": [daemon.child("inference_main")],
            "reader": [p for p in daemon.children() if "reader_main" in " ".join(p.cmdline())],
            "rtsp server": [psutil.Process(server.pid)],
            "broker": [psutil.Process(broker.pid)],
            "benchmark": [psutil.Process()],
        }
        before, processes = _metrics(daemon), _sample(watched)
        t0, utc0 = time.monotonic(), time.time()
        time.sleep(seconds)
        after, later = _metrics(daemon), _sample(watched)
        elapsed = time.monotonic() - t0
        utc1 = time.time()
        time.sleep(LATE)
        log = daemon.log
        messages = subscriber.messages
        megabits = cameras_scene.megabits(next(iter(clips.values())))
    loads = {
        kind: [load(a, b, elapsed) for a, b in zip(processes[kind], later[kind], strict=True) if a and b]
        for kind in watched
    }
    if "Traceback" in log:
        raise AssertionError(log)
    return _result(plan, elapsed, ready, megabits, loads, growth(before, after), _names(messages, utc0, utc1))


def _clips(plan: Plan, footage: Path) -> dict[str, Path]:
    """A mount for each camera, so that no two send their pictures at the same moment; doors turned evenly."""
    footage.mkdir(parents=True, exist_ok=True)
    quiet = cameras_scene.quiet(footage, plan.size, fps=plan.rate, crf=plan.crf)
    mounts = {f"/quiet{n}": quiet for n in range(plan.cameras - plan.doors)}
    if not plan.doors:
        return mounts
    door = cameras_scene.visited(footage, plan.size, fps=plan.rate, crf=plan.crf, every=plan.every, stay=plan.stay)
    groups = plan.every // cameras_scene.GOP_SECONDS
    turned = [cameras_scene.turned(door, n * groups // plan.doors) for n in range(plan.doors)]
    return {f"/door{n}": clip for n, clip in enumerate(turned)} | mounts


def _configuration(plan: Plan, folder: Path, broker: Mosquitto, urls: dict[str, str]) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    config: dict[str, Any] = {
        "node": "test",
        "mqtt": {"host": broker.host, "port": broker.port},
        "recognition": {"faces": str(cameras_scene.gallery(folder / "faces"))},
        "events": {"state": str(folder / "state")},
        "http": {"host": "127.0.0.1", "port": port},
        "cameras": {
            mount.strip("/"): {"source": url, "fps": plan.fps, "motion": {"enabled": plan.gate}}
            for mount, url in urls.items()
        },
    }
    for key, value in plan.settings:
        *path, last = key.split(".")
        section = config
        for name in path:
            section = section.setdefault(name, {})
        section[last] = value
    return config


def _end(daemon: Daemon) -> None:
    try:
        daemon.stop()
    finally:
        daemon.close()


def _metrics(daemon: Daemon) -> Samples:
    return parse(daemon.get("/metrics")[1])


def _up(daemon: Daemon) -> int:
    return round(total(_metrics(daemon), "camwatch_camera_up"))


def _sample(watched: dict[str, list[psutil.Process]]) -> dict[str, list[ProcessSample | None]]:
    return {kind: [_process(each) for each in processes] for kind, processes in watched.items()}


def _process(process: psutil.Process) -> ProcessSample | None:
    """None of one that has ended: it was started again under another number, which counts as a restart."""
    try:
        return _alive(process)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return None


def _alive(process: psutil.Process) -> ProcessSample:
    switches = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        try:
            lines = (task / "status").read_text().splitlines()
        except OSError:
            continue  # a thread that has just ended
        switches += sum(int(line.split()[1]) for line in lines if "_ctxt_switches" in line)
    memory = process.memory_full_info()
    times = process.cpu_times()
    return ProcessSample(times.user + times.system, memory.rss, memory.pss, process.num_threads(), switches)


def _names(messages: Sequence[Message], utc0: float, utc1: float) -> list[tuple[dict[str, Any], float]]:
    """Decisions of visits that began in the time measured, with the seconds from first face to arrival."""
    found: dict[str, tuple[dict[str, Any], float]] = {}
    for message in messages:
        if not message.topic.startswith("camwatch/test/event"):
            continue
        event = json.loads(message.payload)
        first = datetime.fromisoformat(event["first_seen"]).timestamp()
        if event["event_type"] != "ended" and utc0 <= first < utc1:
            found.setdefault(event["event_id"], (event, message.time - first))
    return list(found.values())


def _result(
    plan: Plan,
    seconds: float,
    ready: float,
    megabits: float,
    loads: dict[str, list[Load]],
    grown: Samples,
    names: list[tuple[dict[str, Any], float]],
) -> Result:
    frames = {outcome: total(grown, "camwatch_frames_total", outcome=outcome) for outcome in OUTCOMES}
    cameras = by_label(grown, "camwatch_frames_captured_total", "camera")
    analysed = by_label(grown, "camwatch_frames_total", "camera", outcome="analyzed")
    done = [
        sum(total(grown, "camwatch_frames_total", camera=c, outcome=o) for o in ("analyzed", "idle")) for c in cameras
    ]
    right = [delay for event, delay in names if event["person"] == cameras_scene.PERSON]
    others, wrong = dict[str, int](), dict[str, int]()
    for event, _ in names:
        if event["person"] != cameras_scene.PERSON:
            words = f"{event['event_type']} {event['person'] or 'nobody'}"
            others[words] = others.get(words, 0) + 1
            if event["person"]:
                wrong[event["person"]] = wrong.get(event["person"], 0) + 1
    visits = plan.doors * round(seconds / plan.every)
    first_face = tuple(percentile(right, share) for share in (0.5, 0.95, 1.0))
    due = plan.cameras * seconds * min(plan.fps, plan.rate)
    restarts = {name: count for name, count in by_label(grown, RESTARTS, "process").items() if count}
    why_not = holds(
        frames,
        first_face[1],
        expected=visits,
        arrived=len(right),
        captured=sum(cameras.values()),
        due=due,
        restarts=restarts,
        wrong=wrong,
    )
    batches = total(grown, "camwatch_batch_frames_count")
    count = max(frames["analyzed"], 1.0)
    readers = [each.cpu for each in loads["reader"]] or [0.0]
    return Result(
        plan=plan,
        held=not why_not,
        why_not=why_not,
        seconds=seconds,
        start_to_ready=ready,
        megabits=megabits,
        processes={kind: mean(several) for kind, several in loads.items()},
        readers_cpu=(min(readers), max(readers)),
        daemon_cpu=sum(each.cpu for kind in ("main", "inference", "reader") for each in loads[kind]),
        frames=frames,
        captured=sum(cameras.values()),
        due=due,
        analysed_fps=_spread([value / seconds for value in analysed.values()]),
        considered_fps=_spread([value / seconds for value in done]),
        batch=total(grown, "camwatch_batch_frames_sum") / max(batches, 1.0),
        queue=tuple(quantile(grown, "camwatch_stage_seconds", share, stage="queue") for share in (0.5, 0.95)),
        stages_ms={
            stage: 1000 * value / count
            for stage, value in by_label(grown, "camwatch_stage_seconds_sum", "stage").items()
        },
        acknowledged={
            kind: tuple(quantile(grown, "camwatch_event_latency_seconds", s, event_type=kind) for s in (0.5, 0.95))
            for kind in by_label(grown, "camwatch_event_latency_seconds_count", "event_type")
        },
        first_face_to_name=first_face,
        visits=visits,
        named=len(right),
        others=others,
        restarts=restarts,
    )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(values) or [0.0]
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]

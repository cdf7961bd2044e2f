"""The composition root: a configuration becomes the objects of a daemon, in the order of starting.

Start: state and outbox, MQTT, HTTP, inference until Ready and the gallery loaded, readers. Stop is its reverse:
readers, drain the rings, inference, end open visits, flush, `offline`, unmap.
"""

import logging
import os
import signal
import time
from contextlib import ExitStack
from types import FrameType

from camwatch import __version__
from camwatch.config.model import Camera, Config, verify
from camwatch.errors import CamwatchError, ConfigError
from camwatch.identification.evidence import Gates
from camwatch.pipeline import CameraRules, Decider
from camwatch.publishing.discovery import Discovery
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER, Snapshots
from camwatch.publishing.topics import Topics
from camwatch.service import logs
from camwatch.service.cameras import Cameras, ReaderSettings
from camwatch.service.daemon import Daemon, Parts
from camwatch.service.gallery_loader import GalleryLoader
from camwatch.service.http_server import HttpServer
from camwatch.service.inference import inference_child
from camwatch.service.metrics import metrics_app
from camwatch.service.reporting import Reporting
from camwatch.service.supervisor import Supervisor
from camwatch.service.switches import Switches
from camwatch.service.telemetry import Telemetry

log = logging.getLogger(__name__)


def run(config: Config, *, log_format: logs.LogFormat) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit status.

    Args:
        config: A loaded configuration; what it names is verified first.
        log_format: `text` or `json`.

    Raises:
        InputError: What the configuration names cannot be used.
        CamwatchError: It failed while running.
    """
    logs.set_up(log_format, process="main")
    problems = verify(config)
    if problems:
        raise ConfigError(*problems)
    with ExitStack() as stack:
        asked: list[int] = []
        running: list[Daemon] = []

        def on_signal(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            for daemon in running:
                daemon.stop_soon()

        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.signal(number, on_signal)
            stack.callback(signal.signal, number, previous)
        daemon = build(config, log_format, stack)
        running.append(daemon)
        log.info(
            "camwatch %s: node %s, %d cameras, metrics on http://%s:%d/metrics",
            __version__,
            config.node,
            len(config.cameras),
            config.http.host,
            config.http.port,
        )
        if asked:
            return 0
        try:
            return daemon.run()
        except CamwatchError:
            raise
        except Exception:
            log.exception("the daemon failed")
            return 1


def build(config: Config, log_format: logs.LogFormat, stack: ExitStack) -> Daemon:
    """A daemon that is ready to run; what must be undone is put on `stack` in the order of building.

    Raises:
        InputError: Something the configuration names cannot be used.
        StateError: The state directory cannot be used.
    """
    wake_fd, bell_fd = _event_fd(stack), _event_fd(stack)
    outbox, note = Outbox.open(config.events.state / EVENTS_FILE, time.time())
    stack.callback(outbox.close)
    if note:
        log.error("%s", note)
    supervisor = Supervisor()
    settings = [_reader_settings(name, camera) for name, camera in config.cameras.items()]
    cameras = Cameras(settings, supervisor, bell_fd=bell_fd, log_format=log_format)
    stack.callback(cameras.close)
    min_face = {name: config.recognition_for(name).min_face for name in config.cameras}
    telemetry = Telemetry(cameras.rings)
    topics = Topics(config.mqtt.topic_prefix, config.node)
    discovery = Discovery(
        config.events.state / "discovery.json",
        topics=topics,
        cameras=list(config.cameras),
        prefix=config.mqtt.discovery_prefix,
        style=config.mqtt.discovery_style,
        images=config.events.snapshots,
    )
    births = [] if discovery.birth_topic is None else [discovery.birth_topic]
    publisher = MqttPublisher(
        broker=config.mqtt.broker(),
        topics=topics,
        outbox=outbox,
        max_live_age=config.events.max_live_age,
        wake=lambda: os.eventfd_write(wake_fd, 1),
        subscriptions=[*(topics.camera_enabled_set(name) for name in config.cameras), *births],
    )
    parts = Parts(
        supervisor=supervisor,
        cameras=cameras,
        inference=inference_child(
            cameras,
            bell_fd=bell_fd,
            log_format=log_format,
            min_face=min_face,
            cache=config.events.state / "engine",
            **config.engine.model_dump(),
        ),
        switches=Switches(config.events.state / "switches.json", config.cameras),
        gallery=GalleryLoader(
            config.recognition.faces,
            false_alarm_rate=config.recognition.false_alarm_rate,
            threshold=config.recognition.threshold,
        ),
        decider=Decider({name: _rules(config, name) for name in config.cameras}, node=config.node),
        topics=topics,
        publisher=publisher,
        reporting=Reporting(
            node=config.node,
            topics=topics,
            publisher=publisher,
            outbox=outbox,
            snapshots=_snapshots(config),
            telemetry=telemetry,
            keep_days=config.events.retain.days,
            gates={name: Gates(min_height=float(height)) for name, height in min_face.items()},
            discovery=discovery,
        ),
        telemetry=telemetry,
        birth_topic=discovery.birth_topic,
        wake_fd=wake_fd,
    )
    daemon = Daemon(parts)
    http = HttpServer(
        config.http.host,
        config.http.port,
        metrics=metrics_app(telemetry),
        health=daemon.judge,
        ready=daemon.why_not_ready,
    )
    stack.callback(http.close)
    return daemon


def _event_fd(stack: ExitStack) -> int:
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    stack.callback(os.close, fd)
    return fd


def _snapshots(config: Config) -> Snapshots | None:
    if not config.events.snapshots:
        return None
    retain = config.events.retain
    folder = config.events.state / SNAPSHOTS_FOLDER
    return Snapshots(folder, keep=retain.snapshots, max_age=retain.days * 86400.0)


def _reader_settings(name: str, camera: Camera) -> ReaderSettings:
    return ReaderSettings(
        camera=name,
        source=camera.source.reveal(),
        recording=camera.source.is_file,
        transport=camera.transport,
        stall_timeout=camera.stall_timeout,
        fps=camera.fps,
        motion={
            "enabled": camera.motion.enabled,
            "floor_fps": camera.motion.floor_fps,
            "masks": [[list(point) for point in mask] for mask in camera.motion.masks],
        },
        loop=camera.loop,
    )


def _rules(config: Config, name: str) -> CameraRules:
    camera = config.cameras[name]
    return CameraRules(
        visit_gap=config.events.visit_gap,
        threshold=camera.threshold,
        false_alarm_rate=camera.false_alarm_rate,
        min_face=float(config.recognition_for(name).min_face),
    )

"""The daemon's composition root: configuration -> objects, the order of starting, the main loop, the order of stopping.

Start: state and outbox, MQTT, HTTP, inference until Ready and the gallery loaded, readers. Stop is its reverse:
readers, drain the rings, inference, end open visits, flush, `offline`, unmap.
"""

import logging
import os
import select
import signal
import time
from contextlib import ExitStack
from types import FrameType

from camwatch.config.model import Camera, Config, verify
from camwatch.errors import CamwatchError, ConfigError, InputError, StateError
from camwatch.pipeline import CameraRules, Decider
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER, Snapshots
from camwatch.publishing.topics import Topics
from camwatch.records import Event
from camwatch.service import logs, systemd
from camwatch.service.cameras import Cameras, ReaderSettings
from camwatch.service.gallery_loader import GalleryLoader
from camwatch.service.health import Health, Verdict
from camwatch.service.histogram import FRAMES
from camwatch.service.http_server import HttpServer
from camwatch.service.inference import inference_child
from camwatch.service.messages import Message, observation_from
from camwatch.service.metrics import metrics_app
from camwatch.service.reporting import Reporting
from camwatch.service.supervisor import Child, Supervisor
from camwatch.service.switches import Switches
from camwatch.service.telemetry import Telemetry

log = logging.getLogger(__name__)

TURN = 0.25
"""Longest wait of the main loop, seconds: what is due by time is done at most this much later."""
DRAIN = 0.7
"""Seconds that frames already captured have to be analysed at the stop."""
ADVANCE_DELAY = 2.0
"""Seconds by which visits' time runs behind the clock where no frame comes, since frames may be under way."""


class Daemon:
    """The running service. `run` returns when a signal asks for the end."""

    def __init__(self, config: Config, log_format: logs.LogFormat, stack: ExitStack) -> None:
        """Build everything; what must be undone is put on `stack` in the order of building.

        Raises:
            InputError: Something the configuration names cannot be used.
            StateError: The state directory cannot be used.
        """
        self._config = config
        self._log_format = log_format
        self._stopping = False
        self._ready = False
        self._fatal: str | None = None
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        stack.callback(os.close, self._wake)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        stack.callback(os.close, self._bell)
        state = config.events.state
        self._outbox, note = Outbox.open(state / EVENTS_FILE, time.time())
        stack.callback(self._outbox.close)
        if note:
            log.error("%s", note)
        self._switches = Switches(state / "switches.json", config.cameras)
        self._supervisor = Supervisor(self._child_died)
        settings = [_reader_settings(name, camera) for name, camera in config.cameras.items()]
        self._cameras = Cameras(settings, self._supervisor, bell_fd=self._bell, log_format=log_format)
        stack.callback(self._cameras.close)
        self._inference = inference_child(
            self._cameras,
            bell_fd=self._bell,
            log_format=log_format,
            min_face={name: config.recognition_for(name).min_face for name in config.cameras},
            **config.engine.model_dump(),
        )
        self._telemetry = Telemetry(self._cameras.rings)
        self._health = Health()
        self._last_turn = time.monotonic()
        self._clock_offset: dict[str, float] = {}
        self._gallery = GalleryLoader(
            config.recognition.faces,
            false_alarm_rate=config.recognition.false_alarm_rate,
            threshold=config.recognition.threshold,
        )
        self._decider = Decider(
            {name: _rules(config, name) for name in config.cameras}, node=config.node
        )
        self._topics = Topics(config.mqtt.topic_prefix, config.node)
        self._publisher = MqttPublisher(
            broker=config.mqtt.broker(),
            topics=self._topics,
            outbox=self._outbox,
            max_live_age=config.events.max_live_age,
            wake=self._stir,
            subscriptions=[self._topics.camera_enabled_set(name) for name in config.cameras],
        )
        snapshots = None
        if config.events.snapshots:
            retain = config.events.retain
            snapshots = Snapshots(state / SNAPSHOTS_FOLDER, keep=retain.snapshots, max_age=retain.days * 86400.0)
        self._reporting = Reporting(
            node=config.node,
            topics=self._topics,
            publisher=self._publisher,
            outbox=self._outbox,
            snapshots=snapshots,
            telemetry=self._telemetry,
            keep_days=config.events.retain.days,
        )
        self._http = HttpServer(
            config.http.host,
            config.http.port,
            metrics=metrics_app(self._telemetry),
            health=self._judge,
            ready=self._why_not_ready,
        )
        stack.callback(self._http.close)

    @property
    def http_port(self) -> int:
        """Where /metrics is, on the configured host."""
        return self._http.port

    def stop_soon(self) -> None:
        """Ask for the end; safe from a signal handler and from other threads."""
        self._stopping = True
        self._stir()

    def run(self) -> int:
        """The main loop, then the stop; the exit status.

        Raises:
            CamwatchError: Something that a restart of a child cannot cure.
        """
        self._reporting.begin(self._cameras.names, time.time())
        self._publisher.start()
        self._supervisor.add(self._inference, time.monotonic())
        watchdog = systemd.watchdog_interval()
        next_second = next_watchdog = 0.0
        try:
            while not self._stopping and self._fatal is None:
                self._wait(TURN)
                now = self._last_turn = time.monotonic()
                self._read_children(now)
                if now >= next_second:
                    next_second = now + 1.0
                    self._every_second(now)
                self._publish()
                if watchdog is not None and now >= next_watchdog and self._judge().healthy:
                    next_watchdog = now + watchdog
                    systemd.notify("WATCHDOG=1")
        finally:
            self._stop()
        if self._fatal is not None:
            raise InputError(self._fatal)
        return 0

    # -- the loop

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        for _, inbox in self._supervisor.inboxes():
            poll.register(inbox.fileno(), select.POLLIN | select.POLLHUP)
        for fd, _ in poll.poll(seconds * 1000):
            if fd == self._wake:
                os.eventfd_read(fd)

    def _read_children(self, now: float) -> None:
        for child, _ in self._supervisor.inboxes():
            for message in self._supervisor.read(child, now):
                if child.name == "inference":
                    self._from_inference(message)
                else:
                    self._from_reader(child.name.removeprefix("reader "), message)

    def _from_inference(self, message: Message) -> None:
        match message.kind:
            case "observation":
                observation = observation_from(message)
                if not self._cameras.is_enabled(observation.camera):
                    return  # switched off while this was under way
                self._clock_offset[observation.camera] = observation.captured_at - observation.monotonic
                started = time.perf_counter()
                events = self._decider.decide(observation)
                self._reporting.observed(observation, events, time.perf_counter() - started)
                self._report(events)
            case "stats":
                for stage, values in message.fields["stages"].items():
                    self._telemetry.child_stage("inference", stage, values)
                self._telemetry.child_batches("inference", message.fields["batches"], FRAMES)
            case "ready":
                log.info("inference is ready (%s)", message.fields["network"])
                self._embed(self._gallery.begin(message.fields["network"]))
            case "enrolled" | "refused":
                self._gallery.take(message)
                self._swap_gallery()
            case "fatal":
                self._fatal = str(message.fields["error"])

    def _from_reader(self, camera: str, message: Message) -> None:
        if message.kind == "stats":
            self._telemetry.child_stage(f"reader {camera}", "decode", message.fields["decode"])
        elif message.kind == "source":
            reason = self._cameras.handle(camera, message)
            self._reporting.camera_changed(camera, up=self._cameras.is_up(camera), reason=reason)

    def _every_second(self, now: float) -> None:
        self._supervisor.step(now)
        for camera, offset in self._clock_offset.items():
            self._report(self._decider.advance(camera, now + offset - ADVANCE_DELAY))
        if self._gallery.network is not None:
            self._embed(self._gallery.poll(now))
            self._swap_gallery()
        self._reporting.states(time.time(), self._decider.states())
        self._reporting.every_second(time.time(), mqtt_connected=self._publisher.connected)

    def _publish(self) -> None:
        try:
            for acknowledged in self._publisher.pump(time.time()):
                self._reporting.acknowledged(acknowledged)
        except StateError as error:
            self._reporting.state_failed(error)
        for command in self._publisher.commands():
            self._obey(command.topic, command.payload)

    def _obey(self, topic: str, payload: bytes) -> None:
        camera = next((c for c in self._cameras.names if topic == self._topics.camera_enabled_set(c)), None)
        if camera is None:
            return
        wanted = {b"ON": True, b"OFF": False}.get(payload)
        if wanted is None:
            log.warning("%s: a command must be ON or OFF, not %.40r", topic, payload)
            return
        self._switches.set(camera, wanted)
        self._switch(camera, wanted)

    def _switch(self, camera: str, on: bool) -> None:
        if self._ready:
            self._cameras.switch(camera, on, time.monotonic())
        if not on:
            self._report(self._decider.flush(camera, time.time()))
            self._reporting.camera_changed(camera, up=False, reason=None)
        self._reporting.camera_switched(camera, on=on)

    def _report(self, events: list[Event]) -> None:
        if events:
            self._reporting.events(events, time.time())
            self._reporting.states(time.time(), self._decider.states())

    # -- the gallery

    def _embed(self, photos: list[dict[str, str]]) -> None:
        if photos:
            self._supervisor.send("inference", Message("embed", {"photos": photos}))
        self._swap_gallery()

    def _swap_gallery(self) -> None:
        recognizer = self._gallery.finished()
        if recognizer is None:
            return
        gallery = recognizer.gallery
        self._decider.replace_recognizer(recognizer)
        self._reporting.gallery_changed(recognizer)
        log.info(
            "gallery: %d people, %d photos; a name needs a similarity of %.2f",
            len(gallery.people),
            gallery.photos,
            recognizer.threshold,
        )
        if not self._ready:
            self._ready = True
            for camera in self._cameras.names:
                on = self._switches.is_on(camera)
                self._reporting.camera_switched(camera, on=on)
                if on:
                    self._cameras.switch(camera, True, time.monotonic())
            systemd.notify(f"READY=1\nSTATUS=watching {len(self._cameras.names)} cameras")
            log.info("ready, watching %d cameras", len(self._cameras.names))

    # -- health

    def _judge(self) -> Verdict:
        return self._health.judge(
            self._cameras.counts(), dict(self._cameras.down), last_turn=self._last_turn, now=time.monotonic()
        )

    def _why_not_ready(self) -> str | None:
        return None if self._ready else "the networks and the gallery are loading"

    # -- children

    def _child_died(self, child: Child) -> None:
        self._telemetry.end_life(child.name)
        if child.name == "inference":
            self._gallery.interrupted()
            return
        camera = child.name.removeprefix("reader ")
        self._cameras.reader_died(camera)
        self._reporting.camera_changed(camera, up=False, reason=None)

    # -- the stop

    def _stop(self) -> None:
        systemd.notify("STOPPING=1")
        log.info("stopping")
        self._cameras.stop()
        deadline = time.monotonic() + DRAIN
        while time.monotonic() < deadline and any(c.in_flight for c in self._cameras.counts().values()):
            self._wait(0.05)
            self._read_children(time.monotonic())
        self._read_children(time.monotonic())
        self._supervisor.stop_all(["inference"] if "inference" in self._supervisor.children else [])
        for camera in self._cameras.names:
            self._report(self._decider.flush(camera, time.time()))
        self._reporting.end(self._cameras.names)
        for acknowledged in self._publisher.stop(1.0):
            self._reporting.acknowledged(acknowledged)
        log.info("stopped; %s", self._reporting.summary())

    def _stir(self) -> None:
        os.eventfd_write(self._wake, 1)


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
        daemon = Daemon(config, log_format, stack)

        def on_signal(number: int, frame: FrameType | None) -> None:
            daemon.stop_soon()

        for number in (signal.SIGTERM, signal.SIGINT):
            previous = signal.signal(number, on_signal)
            stack.callback(signal.signal, number, previous)
        try:
            return daemon.run()
        except CamwatchError:
            raise
        except Exception:
            log.exception("the daemon failed")
            return 1


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

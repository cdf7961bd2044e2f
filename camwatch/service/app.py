"""The composition root: a configuration becomes the objects of a daemon, in the order of starting.

Start: state and outbox, MQTT, HTTP, inference until Ready and the gallery loaded, readers. Stop is its reverse:
readers, drain the rings, inference, end open visits, flush, `offline`, unmap. SIGHUP reads the configuration again.
"""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from types import FrameType

from camwatch import __version__
from camwatch.config.model import Camera, Config, verify
from camwatch.errors import CamwatchError, ConfigError
from camwatch.pipeline import CameraRules
from camwatch.service import logs, systemd
from camwatch.service.cameras import ReaderSettings
from camwatch.service.daemon import Daemon
from camwatch.service.http_server import HttpServer
from camwatch.service.metrics import metrics_app
from camwatch.service.parts import Estate, Parts, make_parts
from camwatch.service.reload import Reloader
from camwatch.service.settings import Settings

log = logging.getLogger(__name__)


def run(config: Config, read_again: Callable[[], Config], *, log_format: logs.LogFormat) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit status.

    Args:
        config: A loaded configuration; what it names is verified first.
        read_again: Loads it anew, for SIGHUP; what that names is verified too.
        log_format: `text` or `json`.

    Raises:
        InputError: What the configuration names cannot be used.
        CamwatchError: It failed while running.
    """
    logs.set_up(log_format, process="main")

    def read_settings() -> Settings:
        try:
            return settings_from(_verified(read_again()))
        except CamwatchError:
            raise
        except Exception as error:  # whatever stands in that file, it must not end a daemon that works
            log.exception("the configuration cannot be read")
            raise ConfigError("it cannot be read, see above") from error

    with ExitStack() as stack:
        signals = _Signals(stack)
        life = _Life(settings_from(_verified(config)))
        while True:
            try:
                _live(life, read_settings, log_format, signals)
            except CamwatchError as error:
                if life.previous is None or signals.was_ready:
                    raise
                log.error("the configuration is not taken over: %s", error)
                life = _Life(life.previous, estate=life.estate, refused=True)
                continue
            if life.successor is None:
                return life.status
            if signals.stop:
                systemd.notify("STOPPING=1")
                return life.status
            life = _Life(life.successor, previous=life.settings, estate=life.estate)


@dataclass(slots=True)
class _Life:
    """One daemon from its building to its end.

    Attributes:
        settings: By which it is built; later those in effect.
        previous: Those of the one whose place it takes, to go back to.
        estate: What the one before it knew; at its end what it knew itself.
        refused: It stands in for one that could not be built from the present configuration.
        status: The exit status.
        successor: The settings of the next one; None where it is the last.
    """

    settings: Settings
    previous: Settings | None = None
    estate: Estate | None = None
    refused: bool = False
    status: int = 0
    successor: Settings | None = None


def _live(
    life: _Life, read_settings: Callable[[], Settings], log_format: logs.LogFormat, signals: "_Signals"
) -> None:
    """Build a daemon and run it to its end.

    Raises:
        CamwatchError: It could not be built, or not go on.
    """
    signals.was_ready = False
    settings = life.settings
    with ExitStack() as stack:
        parts, daemon = build(settings, read_settings, log_format, stack, estate=life.estate, refused=life.refused)
        signals.tell(daemon, stack)
        log.info(
            "camwatch %s: node %s, %d cameras, metrics on http://%s:%d/metrics",
            __version__,
            settings.node,
            len(settings.readers),
            *settings.http,
        )
        if signals.stop:
            return
        try:
            life.status, life.successor = daemon.run(), daemon.successor
        except CamwatchError:
            raise
        except Exception:
            log.exception("the daemon failed")
            life.status = 1
        finally:
            life.settings, life.estate = daemon.reloader.settings, parts.estate(life.settings.state)


class _Signals:
    """SIGTERM and SIGINT end the daemon, SIGHUP makes it read its configuration again."""

    def __init__(self, stack: ExitStack) -> None:
        """Listen until the stack is unwound."""
        self.stop = self.was_ready = self._reload = False
        self._daemon: Daemon | None = None
        self._at_terminal = _has_terminal() and sys.stdin is not None and sys.stdin.isatty()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            stack.callback(signal.signal, number, signal.signal(number, self._on_signal))

    def tell(self, daemon: Daemon, stack: ExitStack) -> None:
        """From now on until the stack is unwound it is this daemon's business."""
        self._daemon = daemon
        stack.callback(self._forget, daemon)
        if self._reload:
            self._reload = False
            daemon.reload_soon()

    def _forget(self, daemon: Daemon) -> None:
        self._daemon = None
        self._reload = self._reload or daemon.reloading
        self.was_ready = daemon.why_not_ready() is None

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # A terminal that is closed sends SIGHUP too: then somebody who ran this by hand has gone.
        if number != signal.SIGHUP or (self._at_terminal and not _has_terminal()):
            self.stop = True
            if self._daemon is not None:
                self._daemon.stop_soon()
        elif self._daemon is not None:
            self._daemon.reload_soon()
        else:
            self._reload = True


def _has_terminal() -> bool:
    """Whether there is a controlling terminal, see tty(4)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def build(
    settings: Settings,
    read_settings: Callable[[], Settings],
    log_format: logs.LogFormat,
    stack: ExitStack,
    *,
    estate: Estate | None = None,
    refused: bool = False,
) -> tuple[Parts, Daemon]:
    """A daemon that is ready to run, and its parts; what must be undone is put on `stack` in the order of building.

    Raises:
        InputError: Something the settings name cannot be used.
        StateError: The state directory cannot be used.
    """
    parts = make_parts(settings, log_format, stack, estate)
    parts.telemetry.config_read(taken=not refused)
    daemon = Daemon(parts)
    http = HttpServer(
        *settings.http,
        token=settings.http_token,
        metrics=metrics_app(parts.telemetry),
        health=daemon.judge,
        ready=daemon.why_not_ready,
    )
    stack.callback(http.close)
    daemon.reloader = Reloader(settings, parts, http, read_settings)
    return parts, daemon


def settings_from(config: Config) -> Settings:
    """What a configuration tells the daemon, as plain values."""
    names = list(config.cameras)
    events, mqtt, recognition = config.events, config.mqtt, config.recognition
    min_face = {name: config.recognition_for(name).min_face for name in names}
    return Settings(
        node=config.node,
        topic_prefix=mqtt.topic_prefix,
        state=events.state,
        broker=mqtt.broker(),
        max_live_age=events.max_live_age,
        discovery_prefix=mqtt.discovery_prefix,
        discovery_style=mqtt.discovery_style,
        snapshots=events.snapshots,
        keep_snapshots=events.retain.snapshots,
        keep_days=events.retain.days,
        faces=recognition.faces,
        false_alarm_rate=recognition.false_alarm_rate,
        threshold=recognition.threshold,
        ignored=frozenset(recognition.ignore),
        engine=config.engine.model_dump(),
        min_face=min_face,
        readers={name: _reader_settings(name, camera) for name, camera in config.cameras.items()},
        enabled={name: camera.enabled for name, camera in config.cameras.items()},
        rules={name: _rules(config, name, min_face[name]) for name in names},
        http=(config.http.host, config.http.port),
        http_token=config.http.token.get_secret_value() if config.http.token else None,
    )


def _verified(config: Config) -> Config:
    problems = verify(config)
    if problems:
        raise ConfigError(*problems)
    return config


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
        trust=camera.tls.trust(),
    )


def _rules(config: Config, name: str, min_face: int) -> CameraRules:
    camera = config.cameras[name]
    return CameraRules(
        visit_gap=config.events.visit_gap,
        threshold=camera.threshold,
        false_alarm_rate=camera.false_alarm_rate,
        min_face=float(min_face),
    )

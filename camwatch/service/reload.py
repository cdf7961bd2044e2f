"""A changed configuration in a running daemon: what differs is changed, the rest goes on as if nothing were.

Readers are started anew one by one. Inference is started anew where the networks, the smallest faces or the set of
cameras differ: its job names every ring. Visits, the outbox, the gallery and the figures go on through all of it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from camwatch.errors import CamwatchError
from camwatch.publishing.delivery import Acknowledged
from camwatch.service.http_server import HttpServer
from camwatch.service.messages import Message
from camwatch.service.parts import Parts, make_archive, make_discovery, make_gates, make_inference, subscriptions
from camwatch.service.settings import Settings

log = logging.getLogger(__name__)

_GALLERY = ("faces", "false_alarm_rate", "threshold", "ignored")
TAKE_LEAVE = 1.0
"""Seconds for saying goodbye to a broker."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different between two settings, by what has to be done about it.

    Attributes:
        everything: Keys by whose change the daemon becomes another one; it is taken down and built anew.
        added: Cameras that are new.
        removed: Cameras that have left.
        readers: Cameras whose reader is to be told something else.
        scenes: Those of them that show another scene: visits there are over.
        inference: Whether the inference process needs another job.
        rules: Whether visits are decided otherwise.
        enabled: Whether cameras are on or off where nobody said so.
        gallery: Whether the photos are elsewhere or the threshold is another one.
        history: Whether pictures and visits are kept otherwise.
        discovery: Whether Home Assistant is told otherwise.
        broker: Whether the broker is another one.
        lateness: Whether events are late from another age on.
        http: Whether the address of `/metrics`, or the token it asks for, is another one.
    """

    everything: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()
    scenes: tuple[str, ...] = ()
    inference: bool = False
    rules: bool = False
    enabled: bool = False
    gallery: bool = False
    history: bool = False
    discovery: bool = False
    broker: bool = False
    lateness: bool = False
    http: bool = False

    def told(self) -> str:
        """As a line of the log says it."""
        if self.everything:
            return f"{', '.join(self.everything)}: camwatch begins again"
        words = [f"{camera}: new" for camera in self.added]
        words += [f"{camera}: gone" for camera in self.removed]
        words += [f"{camera}: its reader starts anew" for camera in self.readers]
        said = {
            "inference starts anew": self.inference,
            "rules of decisions": self.rules,
            "which cameras are on": self.enabled,
            "photos or threshold": self.gallery,
            "what is kept": self.history,
            "Home Assistant": self.discovery,
            "another broker or login": self.broker,
            "lateness": self.lateness,
            "address or token of /metrics": self.http,
        }
        return "; ".join([*words, *(word for word, so in said.items() if so)]) or "nothing is different"


def changes(old: Settings, new: Settings) -> Changes:
    """What is different between two settings."""
    cameras = old.readers.keys() | new.readers.keys()
    both = [camera for camera in new.readers if camera in old.readers]
    moved = set(old.readers) != set(new.readers)

    def differ(*names: str) -> bool:
        return any(getattr(old, name) != getattr(new, name) for name in names)

    everything = {
        "node": differ("node"),
        "mqtt.topic_prefix": differ("topic_prefix"),
        "events.state": differ("state"),
        # embeddings of two networks do not go together: no face may be decided on before the photos are embedded anew
        "engine.facenet_weights": old.engine["facenet_weights"] != new.engine["facenet_weights"],
    }
    return Changes(
        everything=tuple(key for key, so in everything.items() if so),
        added=tuple(camera for camera in new.readers if camera not in old.readers),
        removed=tuple(camera for camera in old.readers if camera not in new.readers),
        readers=tuple(camera for camera in both if old.readers[camera] != new.readers[camera]),
        scenes=tuple(camera for camera in both if old.readers[camera].source != new.readers[camera].source),
        inference=bool(cameras) and (moved or differ("engine", "min_face", "recordings")),
        rules=differ("rules"),
        enabled=differ("enabled"),
        gallery=differ(*_GALLERY),
        history=differ("snapshots", "keep_snapshots", "keep_days"),
        discovery=moved or differ("discovery_prefix", "discovery_style", "snapshots"),
        broker=differ("broker"),
        lateness=differ("max_live_age"),
        http=differ("http", "http_token"),
    )


class Reloader:
    """Changes the parts of a daemon that is running; used from its main loop.

    Attributes:
        settings: Those in effect.
    """

    def __init__(
        self, settings: Settings, parts: Parts, http: HttpServer, read_settings: Callable[[], Settings]
    ) -> None:
        """Keep what is to be changed.

        Args:
            settings: Those in effect.
            parts: What was made of them.
            http: The server.
            read_settings: Reads the configuration again; raises `CamwatchError` where it cannot be used.
        """
        self.settings = settings
        self._parts = parts
        self._http = http
        self._read_settings = read_settings

    def read(self) -> Settings | None:
        """The settings as the configuration now says; None where it cannot be used, which the log then explains."""
        found: Settings | None = None
        try:
            found = self._read_settings()
        except CamwatchError as error:
            for problem in str(error).splitlines():
                log.error("the configuration is not taken over: %s", problem)
        if found is None:
            log.error("camwatch goes on with the configuration it had")
        self._parts.telemetry.config_read(taken=found is not None)
        return found

    def release(self, different: Changes) -> list[Message]:
        """Stop the processes that are to be another way, as far as `apply` needs it; what inference said last."""
        parts = self._parts
        parts.cameras.release([*different.removed, *different.readers])
        return parts.supervisor.remove(["inference"]) if different.inference else []

    def apply(self, new: Settings, different: Changes, now: float) -> list[Acknowledged]:
        """Change what differs. What cannot be had is said, and stays as it was.

        Args:
            new: The settings from now on.
            different: What is different in them; released already.
            now: Monotonic seconds.

        Returns:
            The events that a broker has acknowledged before it was left.
        """
        parts, old = self._parts, self.settings
        self.settings = new
        parts.reporting.cameras_left(different.removed)
        parts.telemetry.watch({camera: ring for camera, ring in parts.cameras.rings.items() if camera in new.readers})
        parts.cameras.change(list(new.readers.values()))
        parts.telemetry.watch(parts.cameras.rings)
        parts.switches.configure(new.enabled)
        parts.decider.change(new.rules)
        self._tell_otherwise(old, new, different)
        if different.lateness:
            parts.publisher.expire(new.max_live_age)
        with self._or_stays("recognition", **{key: getattr(old, key) for key in _GALLERY}):
            if different.gallery:
                parts.gallery.change(
                    new.faces,
                    false_alarm_rate=new.false_alarm_rate,
                    threshold=new.threshold,
                    ignored=new.ignored,
                )
        if different.inference:
            parts.supervisor.add(make_inference(new, parts.cameras), now)
        acknowledged: list[Acknowledged] = []
        with self._or_stays("mqtt", broker=old.broker):
            if different.broker:
                acknowledged = parts.publisher.move(new.broker, timeout=TAKE_LEAVE)
        with self._or_stays("http", http=old.http, http_token=old.http_token):
            if different.http:
                self._http.move(*new.http, token=new.http_token)
        return acknowledged

    def _tell_otherwise(self, old: Settings, new: Settings, different: Changes) -> None:
        parts = self._parts
        discovery = make_discovery(new, parts.topics)
        archive = parts.reporting.archive
        archive.keep_no_faces()  # unless there is another one
        with self._or_stays("events.snapshots", snapshots=False):
            archive = make_archive(new)
        parts.reporting.change(archive=archive, gates=make_gates(new), discovery=discovery)
        parts.keeping.change(keep_days=new.keep_days, keep_snapshots=new.keep_snapshots)
        parts.publisher.subscribe(subscriptions(new, parts.topics, discovery))
        parts.reporting.cameras_came(different.added)
        if old.snapshots and not new.snapshots:
            parts.reporting.pictures_left(new.readers)
        if different.discovery:
            parts.reporting.announce()

    @contextmanager
    def _or_stays(self, key: str, **before: Any) -> Iterator[None]:
        """Where something of the new settings cannot be had, say so and keep what was before."""
        try:
            yield
        except CamwatchError as error:
            log.error("%s: not as the configuration now says: %s", key, error)
            self.settings = replace(self.settings, **before)
            self._parts.telemetry.config_read(taken=False)

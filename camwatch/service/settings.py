"""What a daemon is told, as plain values: `app` makes it from a configuration, `parts` makes a daemon from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from camwatch.pipeline import CameraRules
from camwatch.publishing.broker import Broker
from camwatch.service.cameras import ReaderSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a daemon is told; two of them tell what a changed configuration changes.

    Attributes:
        node: This machine's name, in topics and ids.
        topic_prefix: What all topics begin with.
        state: Folder of the outbox, the history, the snapshots.
        broker: How to reach it; holds the password, which no repr shows.
        max_live_age: Seconds after which an event is late.
        discovery_prefix: Home Assistant's; None announces nothing.
        discovery_style: `device` or `component`.
        snapshots: Whether pictures of faces are kept and published.
        keep_snapshots: How many.
        keep_days: Days that visits and snapshots are kept.
        faces: Folder of photos.
        false_alarm_rate: See `Recognizer`.
        threshold: See `Recognizer`.
        ignored: The same.
        engine: Keyword arguments of `inference_child` for the networks.
        min_face: Smallest face in pixels, for each camera.
        readers: What each camera's reader is told.
        enabled: Whether each camera is on where nobody said otherwise.
        rules: How each camera's visits are decided.
        http: Address and port.
        http_token: What `/metrics` asks for; no repr shows it.
    """

    node: str
    topic_prefix: str
    state: Path
    broker: Broker
    max_live_age: float
    discovery_prefix: str | None
    discovery_style: Literal["device", "component"]
    snapshots: bool
    keep_snapshots: int
    keep_days: int
    faces: Path
    false_alarm_rate: float
    threshold: float | None
    ignored: frozenset[str]
    engine: Mapping[str, Any]
    min_face: Mapping[str, int]
    readers: Mapping[str, ReaderSettings]
    enabled: Mapping[str, bool]
    rules: Mapping[str, CameraRules]
    http: tuple[str, int]
    http_token: str | None = field(default=None, repr=False)

    @property
    def recordings(self) -> frozenset[str]:
        """The cameras that are files."""
        return frozenset(camera for camera, reader in self.readers.items() if reader.recording)

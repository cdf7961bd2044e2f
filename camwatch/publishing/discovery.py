"""Telling Home Assistant what there is, by its MQTT discovery, and taking back what there is no longer.

Retained messages outlive us, so what was ever announced is remembered on disk: a camera that left the configuration
while we were stopped leaves Home Assistant with the next start. Two styles: one message for each device, or one for
each entity, for Home Assistant before 2024.11. See https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from camwatch import __version__
from camwatch.files import write_whole
from camwatch.publishing.entities import Device, Entity, devices
from camwatch.publishing.events import encode
from camwatch.publishing.topics import Topics

log = logging.getLogger(__name__)

Style = Literal["device", "component"]

VERSION = 1
MOST_GONE = 500
"""Topics and entities that are remembered as gone; the oldest are forgotten beyond it."""
_ORIGIN = {"name": "camwatch", "sw_version": __version__}

Announced = dict[str, dict[str, str]]
"""Topic to its entities: key to platform; none of them where the topic was cleared."""


class Discovery:
    """What was announced, and what is to be.

    Args:
        path: JSON file, `{"version": 1, "announced": {TOPIC: {KEY: PLATFORM}}}`.
        topics: The node's.
        cameras: The configured cameras.
        prefix: Home Assistant's discovery prefix; None announces nothing and takes all back.
        style: `device` or `component`.
        images: Whether pictures of faces are published.
    """

    def __init__(
        self, path: Path, *, topics: Topics, cameras: Sequence[str], prefix: str | None, style: Style, images: bool
    ) -> None:
        """Read what was announced before; where that is damaged, old entities stay in Home Assistant."""
        self._path, self._topics, self._cameras = path, topics, tuple(cameras)
        self._prefix, self._style, self._images = prefix, style, images
        self._announced = _read(path)

    @property
    def birth_topic(self) -> str | None:
        """Where Home Assistant says `online` after its start; None where it is nobody's business."""
        return None if self._prefix is None else f"{self._prefix}/status"

    def announce(self, people: Mapping[str, str]) -> dict[str, bytes | None]:
        """The retained messages that say what there is now, None for those to be cleared.

        Args:
            people: Names by slug.
        """
        wanted = self._wanted(people)
        gone = [topic for topic in self._announced if topic not in wanted]
        messages: dict[str, bytes | None] = dict.fromkeys(gone)
        announced: Announced = {topic: {} for topic in gone[-MOST_GONE:]}
        for topic, (device, entities) in wanted.items():
            before = self._announced.get(topic, {})
            now = {entity.key: entity.platform for entity in entities}
            left = {key: platform for key, platform in before.items() if now.get(key) != platform}
            left = dict(list(left.items())[-MOST_GONE:]) if self._style == "device" else {}
            messages[topic] = self._message(device, entities, left)
            announced[topic] = {**left, **now}
        self._remember(announced)
        return messages

    def _wanted(self, people: Mapping[str, str]) -> dict[str, tuple[Device, Sequence[Entity]]]:
        if self._prefix is None:
            return {}
        found: dict[str, tuple[Device, Sequence[Entity]]] = {}
        for device in devices(self._topics, self._cameras, people, images=self._images):
            if self._style == "device":
                found[f"{self._prefix}/device/{device.id}/config"] = device, device.entities
            else:
                for entity in device.entities:
                    found[f"{self._prefix}/{entity.platform}/{device.id}/{entity.key}/config"] = device, (entity,)
        return found

    def _message(self, device: Device, entities: Sequence[Entity], left: Mapping[str, str]) -> bytes:
        if self._style == "component":
            [entity] = entities
            object_id = {"object_id": _entity_id(entity)}  # what `default_entity_id` was called
            return encode({"device": device.about, "origin": _ORIGIN, **_configured(device, entity), **object_id})
        # An entity that is only named with its platform is removed, one that is not named at all stays.
        components: dict[str, Any] = {key: {"platform": platform} for key, platform in left.items()}
        for entity in entities:
            wish = {"default_entity_id": f"{entity.platform}.{_entity_id(entity)}"}
            components[entity.key] = {"platform": entity.platform, **_configured(device, entity), **wish}
        return encode({"device": device.about, "origin": _ORIGIN, "components": components})

    def _remember(self, announced: Announced) -> None:
        if announced == self._announced:
            return
        self._announced = announced
        text = json.dumps({"version": VERSION, "announced": announced}, indent=1)
        try:
            write_whole(self._path, text.encode() + b"\n")
        except OSError as error:
            log.error("%s: Home Assistant may keep entities that leave: %s", self._path, error.strerror)


def _configured(device: Device, entity: Entity) -> dict[str, object]:
    fields: dict[str, object] = {"unique_id": f"{device.id}_{entity.key}", **entity.fields, "qos": 1}
    if entity.available:
        fields["availability"] = [{"topic": topic} for topic in entity.available]
        fields["availability_mode"] = "all"
    return fields


def _entity_id(entity: Entity) -> str:
    return entity.entity_id.replace("-", "_")


def _read(path: Path) -> Announced:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ValueError(f"version {stored['version']}, not {VERSION}")
        return {
            str(topic): {str(key): str(platform) for key, platform in entities.items()}
            for topic, entities in stored["announced"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("%s is damaged (%s): Home Assistant may keep entities that have left", path, error)
        return {}

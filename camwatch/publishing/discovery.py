"""Telling Home Assistant what there is, by its MQTT discovery, and taking back what there is no longer.

Retained messages outlive us, so what is announced is remembered on disk: a camera that left the configuration while we
were stopped leaves Home Assistant with the next start. A topic that goes is told once; who sends it sees to it that it
arrives. An entity that leaves a device which stays is named as removed for some days, for a Home Assistant that runs
but is cut off from the broker; one that does not run meanwhile keeps what left, whatever it is told later. Two styles:
one message for each device, or one for each entity, for Home Assistant before 2024.11. See
https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from camwatch import __version__
from camwatch.files import from_json, write_whole
from camwatch.publishing.entities import Device, Entity, devices, person_keys
from camwatch.publishing.events import encode
from camwatch.publishing.topics import Topics, check_topic

log = logging.getLogger(__name__)

Style = Literal["device", "component"]

VERSION = 1
DISCOVERY_FILE = "discovery.json"
"""Name of the file within the state directory."""
MOST_LEFT = 500
"""Entities of a device that are remembered as removed; the oldest are forgotten beyond it."""
KEEP_LEFT = 7 * 86400.0
"""Seconds for which they are; a name must not stay for good."""
_ORIGIN = {"name": "camwatch", "sw_version": __version__}

Announced = dict[str, dict[str, str]]
"""Topic to its entities: key to platform."""
Left = dict[str, dict[str, tuple[str, float]]]
"""Topic to the entities that left it: key to platform and when, in UTC seconds; in the order in which they left."""


class Discovery:
    """What was announced, and what is to be.

    Args:
        path: JSON file, `{"version": 1, "announced": {TOPIC: {KEY: PLATFORM}}, "left": {TOPIC: {KEY: [PLATFORM,
            SECONDS]}}}`. Once it had no `left`, and what had left was among the announced; it counts from now.
        topics: The node's.
        cameras: The configured cameras.
        prefix: Home Assistant's discovery prefix; None announces nothing and takes all back.
        style: `device` or `component`.
        images: Whether pictures of faces are published.
        clock: UTC seconds.
    """

    def __init__(
        self,
        path: Path,
        *,
        topics: Topics,
        cameras: Sequence[str],
        prefix: str | None,
        style: Style,
        images: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Read what was announced before; where that is damaged, old entities stay in Home Assistant."""
        self._path, self._topics, self._cameras = path, topics, tuple(cameras)
        self._prefix, self._style, self._images = prefix, style, images
        self._clock = clock
        self._announced, self._left = _read(path)

    @property
    def birth_topic(self) -> str | None:
        """Where Home Assistant says `online` after its start; None where it is nobody's business."""
        return None if self._prefix is None else f"{self._prefix}/status"

    def announce(self, people: Mapping[str, str]) -> dict[str, bytes | None]:
        """The retained messages that say what there is now; None, only this once, for those to be cleared.

        Args:
            people: Names by slug.
        """
        wanted = self._wanted(people)
        messages: dict[str, bytes | None] = dict.fromkeys(topic for topic in self._announced if topic not in wanted)
        announced: Announced = {}
        left: Left = {}
        for topic, (device, entities) in wanted.items():
            announced[topic] = {entity.key: entity.platform for entity in entities}
            if self._style == "device" and (stubs := self._stubs(topic, announced[topic])):
                left[topic] = stubs
            messages[topic] = self._message(device, entities, left.get(topic, {}))
        self._remember(announced, left)
        return messages

    def forget(self, slug: str) -> None:
        """Name the entities of a person as removed no longer, as `announce` then tells: for whom the slug is a name."""
        gone = person_keys(slug)
        left = {topic: {k: stub for k, stub in stubs.items() if k not in gone} for topic, stubs in self._left.items()}
        self._remember(self._announced, {topic: stubs for topic, stubs in left.items() if stubs})

    def _stubs(self, topic: str, present: Mapping[str, str]) -> dict[str, tuple[str, float]]:
        now = self._clock()
        # at a clock that was set back, what left in the future has left now
        before = {key: (platform, min(at, now)) for key, (platform, at) in self._left.get(topic, {}).items()}
        for key, platform in self._announced.get(topic, {}).items():
            if key not in present:
                before.pop(key, None)
                before[key] = platform, now
        stubs = {key: stub for key, stub in before.items() if key not in present and now - stub[1] < KEEP_LEFT}
        return dict(list(stubs.items())[-MOST_LEFT:])

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

    def _message(self, device: Device, entities: Sequence[Entity], left: Mapping[str, tuple[str, float]]) -> bytes:
        if self._style == "component":
            [entity] = entities
            object_id = {"object_id": _entity_id(entity)}  # what `default_entity_id` was called
            return encode({"device": device.about, "origin": _ORIGIN, **_configured(device, entity), **object_id})
        # An entity that is only named with its platform is removed, one that is not named at all stays.
        components: dict[str, Any] = {key: {"platform": platform} for key, (platform, _) in left.items()}
        for entity in entities:
            wish = {"default_entity_id": f"{entity.platform}.{_entity_id(entity)}"}
            components[entity.key] = {"platform": entity.platform, **_configured(device, entity), **wish}
        return encode({"device": device.about, "origin": _ORIGIN, "components": components})

    def _remember(self, announced: Announced, left: Left) -> None:
        if (announced, left) == (self._announced, self._left):
            return
        self._announced, self._left = announced, left
        text = json.dumps({"version": VERSION, "announced": announced, "left": left}, indent=1)
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


def _read(path: Path) -> tuple[Announced, Left]:
    try:
        stored = from_json(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ValueError(f"version {stored['version']}, not {VERSION}")
        announced = {
            str(topic): {str(key): str(platform) for key, platform in entities.items()}
            for topic, entities in stored["announced"].items()
        }
        left = {
            str(topic): {str(key): (str(platform), float(at)) for key, (platform, at) in entities.items()}
            for topic, entities in stored.get("left", {}).items()
        }
        for topic in (*announced, *left):
            check_topic(topic)
        return announced, left
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        log.error("%s is damaged (%s): Home Assistant may keep entities that have left", path, error)
        return {}, {}

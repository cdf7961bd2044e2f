"""What Home Assistant shows of us: devices and their entities. Pure; how they are announced is in `discovery`.

Keys are those of Home Assistant's MQTT integration, https://www.home-assistant.io/integrations/mqtt/, and of its
platforms, such as https://www.home-assistant.io/integrations/event.mqtt/.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from camwatch import __version__
from camwatch.names import slug
from camwatch.publishing.topics import Topics
from camwatch.records import EventType

Fields = Mapping[str, object]

REPEATS = 10
"""Event ids that a `Face` entity remembers, in order to pass over what the broker delivers again."""

_DIAGNOSTIC = {"entity_category": "diagnostic"}
# Figures of their own entities; as attributes they would write a row of history every few seconds.
_ATTRIBUTES = "{{ dict(value_json.items() | rejectattr(0, 'in', ['analyzed_fps', 'dropped_frames'])) | to_json }}"


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity.

    Attributes:
        platform: Home Assistant's kind of entity, `sensor`.
        key: Names it among those of its device; stable, of `[a-z0-9_-]`.
        entity_id: Which id it would like to have there, without the platform; the one that versions which do not ask
            make of the names themselves.
        available: Topics of which all must say `online`; empty where it is always available.
        fields: The rest of its configuration.
    """

    platform: str
    key: str
    entity_id: str
    available: tuple[str, ...]
    fields: Fields


@dataclass(frozen=True, slots=True)
class Device:
    """One device with its entities.

    Attributes:
        id: Unique among all that announce themselves at a broker.
        about: Home Assistant's `device`.
        entities: Keys are unique.
    """

    id: str
    about: Fields
    entities: tuple[Entity, ...]


def devices(topics: Topics, cameras: Sequence[str], people: Mapping[str, str], *, images: bool) -> list[Device]:
    """The service, which everybody known belongs to, then each camera.

    Args:
        topics: The node's.
        cameras: Their names.
        people: Names by slug.
        images: Whether pictures of faces are published.
    """
    service = _service(topics, people)
    return [service, *(_camera(topics, camera, service.id, images=images) for camera in cameras)]


def person_keys(slug: str) -> frozenset[str]:
    """The keys of a person's entities."""
    return frozenset(entity.key for entity in _person(Topics("any", "any"), slug, "", ""))


def _service(topics: Topics, people: Mapping[str, str]) -> Device:
    number = f"camwatch_{topics.node}"
    running = {
        "name": "Running",
        "device_class": "running",
        "state_topic": topics.status,
        "payload_on": "online",
        "payload_off": "offline",
        **_DIAGNOSTIC,
    }
    entities = [Entity("binary_sensor", "running", f"{number}_running", (), running)]
    for short, name in people.items():
        entities += _person(topics, short, name, number)
    return Device(number, _about(number, f"camwatch {topics.node}", "Face recognition"), tuple(entities))


def _person(topics: Topics, short: str, name: str, service: str) -> list[Entity]:
    state, available = {"state_topic": topics.person_state(short)}, (topics.status,)

    def entity(platform: str, leaf: str, fields: Fields) -> Entity:
        wish = f"{service}_{short}_{leaf}"
        return Entity(platform, f"person_{short}_{leaf}", wish, available, {**state, **fields})

    return [
        entity(
            "binary_sensor",
            "present",
            {
                "name": f"{name} present",
                "device_class": "occupancy",
                "value_template": "{{ 'ON' if value_json.present else 'OFF' }}",
            },
        ),
        entity(
            "sensor",
            "last_camera",
            {"name": f"{name} last camera", "icon": "mdi:cctv", "value_template": "{{ value_json.last_camera }}"},
        ),
        entity(
            "sensor",
            "last_seen",
            {
                "name": f"{name} last seen",
                "device_class": "timestamp",
                "value_template": "{{ value_json.last_seen }}",
            },
        ),
    ]


def _camera(topics: Topics, camera: str, service: str, *, images: bool) -> Device:
    number = f"{service}_camera_{camera}"
    both = (topics.status, topics.camera_availability(camera))
    state = {"state_topic": topics.camera_state(camera)}

    def entity(platform: str, key: str, fields: Fields, available: tuple[str, ...] = both) -> Entity:
        return Entity(platform, key, f"{camera}_{slug(str(fields['name']))}", available, fields)

    entities = [
        entity(
            "event",
            "face",
            {
                "name": "Face",
                "icon": "mdi:face-recognition",
                "state_topic": topics.event,
                "event_types": [kind.value for kind in EventType],
                "value_template": _event_template(camera),
            },
        ),
        entity(
            "sensor",
            "last_person",
            {
                "name": "Last person",
                "icon": "mdi:account",
                **state,
                "value_template": "{{ value_json.last_person }}",
                "json_attributes_topic": topics.camera_state(camera),
                "json_attributes_template": _ATTRIBUTES,
            },
        ),
        entity(
            "binary_sensor",
            "occupancy",
            {
                "name": "Occupancy",
                "device_class": "occupancy",
                **state,
                "value_template": "{{ 'ON' if value_json.present or value_json.unknown_count else 'OFF' }}",
            },
        ),
        entity(
            "switch",
            "enabled",
            {
                "name": "Enabled",
                "icon": "mdi:eye",
                "state_topic": topics.camera_enabled(camera),
                "command_topic": topics.camera_enabled_set(camera),
            },
            (topics.status,),  # also while the camera is away
        ),
        entity(
            "binary_sensor",
            "connection",
            {
                "name": "Connection",
                "device_class": "connectivity",
                "state_topic": topics.camera_availability(camera),
                "payload_on": "online",
                "payload_off": "offline",
                **_DIAGNOSTIC,
            },
            (topics.status,),
        ),
        entity(
            "sensor",
            "analyzed_fps",
            {
                "name": "Analysed frames",
                "icon": "mdi:speedometer",
                **state,
                "value_template": "{{ value_json.analyzed_fps }}",
                "unit_of_measurement": "fps",
                "state_class": "measurement",
                **_DIAGNOSTIC,
            },
        ),
        entity(
            "sensor",
            "dropped_frames",
            {
                "name": "Dropped frames",
                "icon": "mdi:filmstrip-off",
                **state,
                "value_template": "{{ value_json.dropped_frames }}",
                "unit_of_measurement": "frames",
                "state_class": "total_increasing",
                **_DIAGNOSTIC,
            },
        ),
    ]
    if images:
        picture = {
            "name": "Last face",
            "image_topic": topics.camera_image(camera),
            "content_type": "image/jpeg",
        }
        entities.append(entity("image", "last_face", picture))
    name = camera.replace("_", " ").replace("-", " ").capitalize()
    return Device(number, {**_about(number, name, "Camera"), "via_device": service}, tuple(entities))


def _event_template(camera: str) -> str:
    """What becomes of an event: empty, so passed over, where it is another camera's or a repeat.

    All cameras of a node share the topic. The memory is an attribute, which outlives restarts of Home Assistant.
    """
    return (
        "{% set recent = this.attributes.get('recent_events', []) %}"
        f"{{% if value_json.camera == '{camera}' and value_json.event_id not in recent %}}"
        f"{{{{ dict(value_json, recent_events=(recent + [value_json.event_id])[-{REPEATS}:]) | to_json }}}}"
        "{% endif %}"
    )


def _about(number: str, name: str, model: str) -> dict[str, object]:
    return {
        "identifiers": [number],
        "name": name,
        "manufacturer": "camwatch",
        "model": model,
        "sw_version": __version__,
    }

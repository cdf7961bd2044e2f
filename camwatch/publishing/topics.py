"""Every topic name, in one place.

Names follow MQTT 3.1.1, section 4.7 (topic names and filters): levels are separated by `/`; `+`, `#` and the null
character never occur in them.
"""

from dataclasses import dataclass

LONGEST = 65_535
"""Bytes of a topic in UTF-8; MQTT 3.1.1, section 1.5.3."""


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one node.

    Attributes:
        prefix: Leading levels, may contain `/`.
        node: One level.

    Raises:
        ValueError: A part is empty or holds a character that cannot stand in a topic.
    """

    prefix: str
    node: str

    def __post_init__(self) -> None:
        """Refuse parts that would make a wildcard or another level."""
        for part in self.prefix.split("/"):
            _level(part)
        _level(self.node)

    @property
    def root(self) -> str:
        """What all topics of this node begin with."""
        return f"{self.prefix}/{self.node}"

    @property
    def status(self) -> str:
        """`online` / `offline` of the daemon; retained, the last will."""
        return f"{self.root}/status"

    @property
    def event(self) -> str:
        """Events young enough to act upon."""
        return f"{self.root}/event"

    @property
    def event_late(self) -> str:
        """Events that were too old when they were sent."""
        return f"{self.root}/event/late"

    def camera_availability(self, camera: str) -> str:
        """`online` / `offline` of a camera; retained."""
        return self._camera(camera, "availability")

    def camera_state(self, camera: str) -> str:
        """Who is before the camera, as JSON; retained."""
        return self._camera(camera, "state")

    def camera_image(self, camera: str) -> str:
        """JPEG of the last face decided; retained."""
        return self._camera(camera, "image")

    def camera_enabled(self, camera: str) -> str:
        """`ON` / `OFF`, the privacy switch as it stands; retained."""
        return self._camera(camera, "enabled")

    def camera_enabled_set(self, camera: str) -> str:
        """`ON` / `OFF`, what somebody wants the switch to be; not retained."""
        return self._camera(camera, "enabled/set")

    def person_state(self, slug: str) -> str:
        """Where a person is, as JSON; retained. Takes the slug, never the name."""
        return f"{self.root}/person/{_level(slug)}/state"

    def _camera(self, camera: str, leaf: str) -> str:
        return f"{self.root}/camera/{_level(camera)}/{leaf}"


def _level(part: str) -> str:
    if not part or any(character in part for character in "/+#\0"):
        raise ValueError(f"{part!r} cannot be a level of an MQTT topic")
    return part


def check_topic(topic: str) -> None:
    """Refuse what cannot be the name of a topic.

    Raises:
        ValueError: It is empty, too long, no Unicode, or has a wildcard in it.
    """
    if not 0 < len(topic.encode()) <= LONGEST or any(character in topic for character in "+#\0"):
        raise ValueError(f"{topic[:80]!r} cannot be an MQTT topic")

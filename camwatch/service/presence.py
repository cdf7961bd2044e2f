"""Who is where: the states of cameras and people, made from what identification says. Pure but for its memory."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from camwatch.records import CameraState, PersonState


@dataclass(slots=True)
class _Sighting:
    camera: str
    at: float


@dataclass(slots=True)
class Presence:
    """Remembers where each person was seen last.

    `people` are the enrolled ones: only they have a state.
    """

    people: tuple[str, ...] = ()
    _last: dict[str, _Sighting] = field(default_factory=dict)

    def remember(self, person: str, camera: str, at: float) -> None:
        """Note an earlier sighting, as from the history at the start."""
        known = self._last.get(person)
        if known is None or at >= known.at:
            self._last[person] = _Sighting(camera, at)

    def forget(self, person: str) -> None:
        """Drop what is known of a person."""
        self._last.pop(person, None)

    def update(self, cameras: Iterable[CameraState], seen: Mapping[tuple[str, str], float]) -> list[PersonState]:
        """The states of all enrolled people now.

        Args:
            cameras: The state of every camera.
            seen: When each (camera, person) now present was last seen, UTC seconds.

        Returns:
            One state for each enrolled person, in the order of `people`.
        """
        present = set()
        for state in cameras:
            for person in state.present:
                present.add(person)
                self.remember(person, state.camera, seen.get((state.camera, person), state.last_seen or 0.0))
        return [self._state(person, person in present) for person in self.people]

    def _state(self, person: str, present: bool) -> PersonState:
        last = self._last.get(person)
        return PersonState(person, present, last.camera if last else None, last.at if last else None)

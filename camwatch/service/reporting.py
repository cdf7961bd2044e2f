"""From decisions to the outside: snapshots, the outbox, retained states, figures. Owned by the main loop.

Events go to disk before anything else learns of them. Where the disk refuses, they wait in memory and are tried again
every second; nothing decided is thrown away.
"""

import logging
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from camwatch.errors import StateError
from camwatch.identification.evidence import Gates
from camwatch.identification.promise import promised
from camwatch.identification.recognizer import Recognizer
from camwatch.publishing.archive import Archive, shows_face
from camwatch.publishing.delivery import Acknowledged
from camwatch.publishing.discovery import Discovery
from camwatch.publishing.events import camera_state, closing, encode, payload, person_state
from camwatch.publishing.kept import Kept
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.snapshots import jpeg
from camwatch.publishing.topics import Topics
from camwatch.records import IGNORED, CameraState, Event, EventType, Observation
from camwatch.service.presence import Presence
from camwatch.service.rate import Rate
from camwatch.service.telemetry import Telemetry

log = logging.getLogger(__name__)

UNSAVED = 10_000
"""Events kept in memory while the state disk refuses them; beyond it the oldest is dropped and counted in the log."""
REFRESH = 10.0
"""Seconds after which a state is published again though only times and rates in it have changed."""


class Reporting:
    """Tells subscribers, the disk and the figures what was decided."""

    def __init__(
        self,
        *,
        node: str,
        topics: Topics,
        publisher: MqttPublisher,
        kept: Kept,
        outbox: Outbox,
        archive: Archive,
        telemetry: Telemetry,
        gates: Mapping[str, Gates],
        discovery: Discovery,
    ) -> None:
        """Keep the collaborators; `begin` starts.

        Args:
            node: This machine's name, as in the events.
            topics: The node's.
            publisher: Sends.
            kept: Remembers what the broker keeps.
            outbox: Where events wait.
            archive: Keeps pictures and accounts; none are published where it keeps none.
            telemetry: The figures.
            gates: Each camera's, to count faces by.
            discovery: What Home Assistant is told.
        """
        self._node, self._topics = node, topics
        self._publisher = publisher
        self._kept = kept
        self._outbox = outbox
        self._telemetry = telemetry
        self.change(archive=archive, gates=gates, discovery=discovery)
        self._presence = Presence()
        self._unsaved: deque[tuple[Event, bytes]] = deque()
        self._published: dict[str, bytes] = {}
        self._person_topics: dict[str, str] = {}
        self._last_there: dict[str, tuple[str, float]] = {}  # before this daemon began, by camera
        self._swept = False
        self._people: Collection[str] | None = None  # of whom Home Assistant is told; None until it is known
        self._enrolled: Collection[str] = ()
        self._told: dict[str, tuple[tuple[object, ...], float]] = {}
        self._rates: dict[str, Rate] = {}
        self._leaving: set[str] = set()  # cameras whose topics go once the broker has their last events
        self._state_broken = False

    def change(self, *, archive: Archive, gates: Mapping[str, Gates], discovery: Discovery) -> None:
        """Go on with other collaborators; the arguments are as above. `announce` tells Home Assistant."""
        self.archive, self._gates, self._discovery = archive, gates, discovery

    @property
    def birth_topic(self) -> str | None:
        """Where Home Assistant says that it has started; None where it does not matter."""
        return self._discovery.birth_topic

    def begin(self, cameras: Iterable[str], now: float) -> None:
        """Say that cameras are not there yet, and end the visits that a dead daemon left open."""
        self._kept.set(self._topics.status)
        self.cameras_came(cameras)
        for last in self._outbox.last_sightings():
            if last.person is not None:
                self._presence.remember(last.person, last.camera, last.last_seen)
        self._last_there = {e.camera: (e.person, e.last_seen) for e in self._outbox.last_people() if e.person}
        left = self._outbox.unfinished_visits()
        self.events([closing(last, event_id=f"{last.visit_id}-restart", now=now) for last in left], now)
        if left:
            log.info("ended %d visits that were open when the daemon last died", len(left))

    def cameras_came(self, cameras: Iterable[str]) -> None:
        """Say that these cameras are not there yet."""
        for camera in cameras:
            self._leaving.discard(camera)
            self._retain(self._topics.camera_availability(camera), b"offline")

    def cameras_left(self, cameras: Iterable[str]) -> None:
        """Cameras left the configuration: what is retained of them is taken back, states after their last events."""
        for camera in cameras:
            self._retain(self._topics.camera_availability(camera), b"offline")
            self._clear(self._topics.camera_image(camera))
            self._leaving.add(camera)
            self._rates.pop(camera, None)
            self._last_there.pop(camera, None)

    def pictures_left(self, cameras: Iterable[str]) -> None:
        """Take back the pictures of faces: none are to be published any more."""
        for camera in cameras:
            self._clear(self._topics.camera_image(camera))

    def end(self, cameras: Iterable[str], now: float) -> None:
        """The last words about the cameras, and the last try to save; the publisher says its own `offline`."""
        self._save(now)
        if self._unsaved:
            log.error("%d events are lost: the state disk refused them to the end", len(self._unsaved))
        for camera in cameras:
            self._retain(self._topics.camera_availability(camera), b"offline")

    def events(self, events: Sequence[Event], now: float) -> None:
        """Store events for delivery, then show what they changed.

        Args:
            events: As decided, in order.
            now: UTC seconds.
        """
        for event in events:
            told = payload(event, node=self._node, late=False, snapshot=self.archive.picture(event, now))
            self._unsaved.append((replace(event, account=None, chip=None), encode(told)))
        self._save(now)
        for event in events:
            if not self._state_broken:
                self.archive.account(event, now)
            self._log(event)
            figures = self._telemetry.cameras.get(event.camera)
            if figures is None:
                continue  # of a camera that has left the configuration since
            with self._telemetry.locked():
                figures.events[event.event_type] += 1
            if event.event_type is not EventType.ENDED and event.score is not None:
                self._telemetry.score(event.event_type, event.score)
            if self.archive.faces and event.chip is not None and shows_face(event):
                topic = self._topics.camera_image(event.camera)
                self._kept.set(topic, event.person or "")
                self._publisher.retain(topic, jpeg(event.chip))

    def observed(self, observation: Observation, events: Sequence[Event], seconds: float) -> None:
        """Count one observation; `seconds` is what deciding on it took."""
        with self._telemetry.locked() as t:
            t.stages["identify"].observe(seconds)
            faces = t.cameras[observation.camera].faces
            for face in observation.faces:
                use = "skipped" if face.skipped else self._gates[observation.camera].fault(face) or "usable"
                faces[use] += 1

    def acknowledged(self, events: Iterable[Acknowledged]) -> None:
        """The broker has these events."""
        for event in events:
            if event.latency is not None:
                self._telemetry.latency(event.event_type, event.latency)
            with self._telemetry.locked() as t:
                t.stages["publish"].observe(event.acknowledged_monotonic - event.sent_monotonic)

    def state_failed(self, error: StateError) -> None:
        """The state database refused; said once until it works again."""
        if not self._state_broken:
            log.error("%s; events wait in memory until it works again", error)
        self._state_broken = True

    def camera_changed(self, camera: str, *, up: bool, reason: str | None) -> None:
        """A camera began or ceased to deliver pictures; `reason` counts as a failed connection."""
        with self._telemetry.locked() as t:
            t.cameras[camera].up = up
            if reason is not None:
                t.cameras[camera].reconnects[reason] += 1
        self._retain(self._topics.camera_availability(camera), b"online" if up else b"offline")

    def camera_switched(self, camera: str, *, on: bool) -> None:
        """The privacy switch as it stands."""
        with self._telemetry.locked() as t:
            t.cameras[camera].enabled = on
        self._retain(self._topics.camera_enabled(camera), b"ON" if on else b"OFF")

    def gallery_changed(self, recognizer: Recognizer) -> None:
        """Other people are enrolled: Home Assistant is told; the states of those who left are cleared.

        Nobody at all right after the start is most likely a share that is not mounted yet: then nobody leaves.
        """
        gallery = recognizer.gallery
        log.info(
            "gallery: people %d, photos %d; a name needs a similarity of %.2f%s",
            len(gallery.people),
            gallery.photos,
            recognizer.limit().threshold,
            promised(recognizer),
        )
        with self._telemetry.locked() as t:
            t.gallery_people, t.gallery_photos = len(gallery.people), gallery.photos
            t.threshold = recognizer.limit().threshold
        self._people, self._enrolled = recognizer.told, gallery.people
        if not gallery.people and not self._presence.people and self._kept.people:
            self._people = self._kept.people
            log.warning("no photos of anybody, but there were: Home Assistant keeps %d people", len(self._people))
        self._presence.people = recognizer.told
        self._tell_people(self._people)
        self._sweep()

    def _tell_people(self, people: Collection[str]) -> None:
        self.announce()
        by_name = self._kept.slugs(people)
        topics = {person: self._topics.person_state(slug) for person, slug in by_name.items()}
        for topic in set(self._person_topics.values()) - set(topics.values()):
            self._clear(topic)
        self._person_topics = topics
        for topic in self._kept.showing_others(people):
            self._clear(topic)

    @property
    def enrolled(self) -> Collection[str] | None:
        """Who is in the gallery; None until it is known."""
        return None if self._people is None else self._enrolled

    @property
    def all_saved(self) -> bool:
        """Whether every event is on disk."""
        return not self._unsaved

    def forget(self, person: str) -> None:
        """Let nothing that is published or remembered from now on tell of a person who is not enrolled any more."""
        self._presence.forget(person)
        self._last_there = {camera: seen for camera, seen in self._last_there.items() if seen[0] != person}
        self._kept.forget(person)
        self._people = [other for other in self._people or () if other != person]
        self._tell_people(self._people)

    def unlist(self, slug: str) -> None:
        """Home Assistant was told that a person's entities are gone; now they are not even named any more."""
        self._discovery.forget(slug)
        self.announce()

    def _sweep(self) -> None:
        """Once: clear what an earlier life of ours left at the broker of cameras and people who are no longer there."""
        if self._swept:
            return
        self._swept = True
        for camera in self._telemetry.cameras:
            images = [self._topics.camera_image(camera)] if self.archive.faces else []
            self._kept.claim([self._topics.camera_state(camera), self._topics.camera_enabled(camera), *images])
        self._kept.claim(self._person_topics.values())
        for topic in self._kept.unclaimed():
            self._clear(topic)

    def announce(self) -> None:
        """Tell Home Assistant which cameras and people there are; not before it is known who, or all would leave."""
        if self._people is None:
            return
        people = {slug: name for name, slug in self._kept.slugs(self._people).items()}
        for topic, message in self._discovery.announce(people).items():
            self._kept.set(topic)  # one to be cleared too: it may be from before there was this memory
            self._publisher.retain(topic, message)

    def states(self, now: float, states: Sequence[tuple[CameraState, Mapping[str, float], int]]) -> None:
        """Bring the states of cameras and people up to date.

        What tells no more than that somebody is still there is published every ten seconds only, to spare the
        broker and the histories behind it.

        Args:
            now: UTC seconds.
            states: For each camera its state, when each person was last seen there, and how many visits are open.
        """
        cameras = []
        for state, _, visits in states:
            figures = self._telemetry.cameras[state.camera]
            rate = self._rates.setdefault(state.camera, Rate())
            counts = figures.ring.counts()
            dropped = counts.dropped_busy + counts.dropped_stale
            shown = replace(state, analyzed_fps=rate.update(now, counts.analyzed), dropped_frames=dropped)
            before, at = self._last_there.get(state.camera, ("", 0.0))
            if shown.last_person is None and before in self._presence.people:
                shown = replace(shown, last_person=before, last_seen=at)
            cameras.append(shown)
            news = (shown.present, shown.unknown_count, shown.last_person)
            self._retain_state(self._topics.camera_state(state.camera), camera_state(shown), news, now)
            with self._telemetry.locked():
                figures.visits_active = visits
        seen = {(state.camera, person): at for state, times, _ in states for person, at in times.items()}
        for person in self._presence.update(cameras, seen):
            topic = self._person_topics[person.person]
            self._retain_state(topic, person_state(person), (person.present, person.last_camera), now)

    def remember(self) -> None:
        """Note on disk what the broker is about to keep; call it before `pump`."""
        self._kept.save()

    def every_second(self, now: float, *, mqtt_connected: bool) -> None:
        """Try again what the disk refused, bring the figures up to date."""
        self._kept.cleared(self._publisher.cleared())
        self._save(now)
        self._figures(now, mqtt_connected)

    def summary(self) -> str:
        """One line of what this run did."""
        with self._telemetry.locked() as t:
            counts = [figures.ring.counts() for figures in t.cameras.values()]
            analyzed, captured = sum(c.analyzed for c in counts), sum(c.captured for c in counts)
            events = sum(sum(figures.events.values()) for figures in t.cameras.values())
            latency = t.event_latency.get(EventType.RECOGNIZED)
            p95 = latency.quantile(0.95) if latency is not None else None
            waiting = t.outbox_events
        tail = "" if p95 is None else f", frame to acknowledged name p95 <= {p95:g} s"
        tail += f"; {waiting} events wait for the broker" if waiting else ""
        return f"{captured} frames captured, {analyzed} analysed, {events} events{tail}"

    def _save(self, now: float) -> None:
        while len(self._unsaved) > UNSAVED:
            lost, _ = self._unsaved.popleft()
            log.error("event %s is lost: the state disk has refused it for too long", lost.event_id)
        if not self._unsaved:
            return
        try:
            self._outbox.put(self._unsaved, now, monotonic=time.monotonic())
        except StateError as error:
            if error.full:
                self.archive.make_room(now)  # for the next attempt
            self.state_failed(error)
            return
        if self._state_broken:
            log.info("the state database works again; %d events were waiting", len(self._unsaved))
        self._state_broken = False
        self._unsaved.clear()

    def _retain(self, topic: str, value: bytes) -> None:
        if self._published.get(topic) != value:
            self._kept.set(topic)
            self._published[topic] = value
            self._publisher.retain(topic, value)

    def _clear(self, topic: str) -> None:
        self._published.pop(topic, None)
        self._told.pop(topic, None)
        self._publisher.retain(topic, None)

    def _retain_state(self, topic: str, value: bytes, news: tuple[object, ...], now: float) -> None:
        before = self._told.get(topic)
        if before is None or before[0] != news or now - before[1] >= REFRESH or now < before[1]:
            self._told[topic] = (news, now)
            self._retain(topic, value)

    def _figures(self, now: float, mqtt_connected: bool) -> None:
        try:
            waiting, oldest = self._outbox.count(), self._outbox.oldest(now)
        except StateError as error:
            self.state_failed(error)
            return
        waiting += len(self._unsaved)
        with self._telemetry.locked() as t:
            t.mqtt_connected, t.outbox_events, t.outbox_oldest = mqtt_connected, waiting, oldest
        if not waiting:
            self._take_back()

    def _take_back(self) -> None:
        topics = self._topics
        for camera in self._leaving:
            for named in (topics.camera_availability, topics.camera_state, topics.camera_enabled):
                self._clear(named(camera))
        self._leaving.clear()

    def _log(self, event: Event) -> None:
        who, short = event.person or "nobody known", event.event_id[:8]  # as `camwatch explain` takes it
        score = "" if event.score is None else f", similarity {event.score:.2f} of {event.threshold:.2f}"
        match event.event_type:
            case EventType.RECOGNIZED:
                log.info("%s: this is %s%s (%d faces); event %s", event.camera, who, score, event.faces_used, short)
            case EventType.UNKNOWN:
                used = event.faces_used
                log.info("%s: this is nobody we know%s (%d faces); event %s", event.camera, score, used, short)
            case EventType.ENDED:
                stay = event.last_seen - event.first_seen
                why = f", never decided: {event.reason}" if event.reason not in (None, IGNORED) else ""
                who = "somebody to be ignored" if event.reason == IGNORED else who
                log.info("%s: the visit of %s ended after %.0f s%s; event %s", event.camera, who, stay, why, short)

"""Tracks become visits, visits become events: one `VisitTracker` for each camera.

A visit is one person's stay before one camera. It lasts over every track the stay is cut into, until nothing of the
person has been seen for `visit_gap`; all its faces decide it together.
"""

import logging
from collections.abc import Iterable

from camwatch.geometry import center_distance
from camwatch.identification.account import account
from camwatch.identification.decision import Rule, Verdict
from camwatch.identification.evidence import SAME_PERSON, Evidence, Gates
from camwatch.identification.recognizer import Recognizer
from camwatch.identification.tracker import Sighting, Track, Tracker
from camwatch.identification.visit import Followed, Presence, Visit, alike, may_continue, strayed, visit_id
from camwatch.records import IGNORED, Embedding, Event, EventType, Observation, Settled

_log = logging.getLogger(__name__)

_CLOCK_SLACK = 1.0  # seconds by which a frame may be older than the one before without being a new recording
_CONFIRMED = 2  # faces; a single one may be no face at all
_MOST_VISITS = 64


class VisitTracker:
    """Turns the observations of one camera into events.

    Deterministic: the same observations and calls give the same events with the same ids.

    Args:
        camera: Its name, as in the events.
        recognizer: Who is enrolled.
        node: This machine's name; part of the ids.
        visit_gap: Seconds. A person unseen for longer has ended the visit; for less, it is the same visit.
        threshold: This camera's own cosine in place of the recognizer's.
        false_alarm_rate: This camera's own rate, from which its threshold is worked out; `threshold` goes before it.
        min_face: Pixels of box height from which on a face counts for a decision; 30 at least.
        rule: How much evidence a decision needs.
    """

    def __init__(
        self,
        camera: str,
        recognizer: Recognizer,
        *,
        node: str,
        visit_gap: float = 5.0,
        threshold: float | None = None,
        false_alarm_rate: float | None = None,
        min_face: float = 40.0,
        rule: Rule | None = None,
    ) -> None:
        """Start with nobody before the camera."""
        self.camera = camera
        self._node = node
        self._visit_gap = visit_gap
        self._own_threshold, self._own_rate = threshold, false_alarm_rate
        self._gates = Gates(min_height=min_face)
        self._rule = rule or Rule()
        self._tracker = Tracker(self._gates, lifetime=visit_gap)
        self._open: list[Visit] = []
        self._visit_of: dict[int, Visit] = {}  # by number of a track
        self._beside: dict[int, set[Visit]] = {}  # the same for tracks that have no visit yet
        self._latest: list[Sighting] = []
        self._now: float | None = None
        self._blind_until = 0.0
        self._ordinal = 0
        self._seen: dict[str, float] = {}
        self._last_person: str | None = None
        self.replace_recognizer(recognizer)

    def replace_recognizer(self, recognizer: Recognizer) -> None:
        """Decide with another gallery from the next face on; visits and their evidence go on.

        Who is no longer enrolled is no longer remembered, but for the name of a visit that has not ended.
        """
        self._recognizer = recognizer
        people = set(recognizer.told)
        self._seen = {person: seen for person, seen in self._seen.items() if person in people}
        self._last_person = self._last_person if self._last_person in self._seen else None
        self.limit = recognizer.limit(self._own_threshold, self._own_rate)  # in force for this camera

    def change(
        self, *, visit_gap: float, threshold: float | None, false_alarm_rate: float | None, min_face: float
    ) -> None:
        """Decide by other rules from the next face on; visits and their evidence go on. The arguments are as above."""
        self._visit_gap = visit_gap
        self._own_threshold, self._own_rate = threshold, false_alarm_rate
        self._gates = Gates(min_height=min_face)
        self._tracker.change(self._gates, lifetime=visit_gap)
        self.replace_recognizer(self._recognizer)

    def state(self) -> Presence:
        """Who is there now."""
        last = self._last_person
        return Presence(
            camera=self.camera,
            present=tuple(sorted(v.person for v in self._open if v.person is not None and not v.ignored)),
            unknown_count=sum(visit.unknown and visit.person is None for visit in self._open),
            visits=len(self._open),
            last_person=last,
            last_seen=None if last is None else self._seen[last],
            seen=dict(self._seen),
        )

    def settled(self) -> Settled:
        """The followers whose faces need not be embedded until it is time to look again.

        Their last embedded face was certainly of a visit that is named, or unknown and not nearly like anybody, with so
        many usable faces that one more hardly counts.
        """
        named, unknown = set(), set()
        clearly = self.limit.threshold - self._rule.unknown_margin
        for track in self._tracker.tracks:
            visit = self._visit_of.get(track.number)
            if visit is None or track.follow is None or track.follow != visit.evidence.vouched:
                continue
            if visit.evidence.used < self._rule.settled_faces:
                continue
            if visit.person is not None and visit.score >= self.limit.threshold:
                named.add(track.follow)
            elif visit.person is None and visit.unknown and visit.score < clearly:
                unknown.add(track.follow)
        return Settled(frozenset(named), frozenset(unknown))

    def faces(self) -> list[Followed]:
        """The faces of the latest frame, the largest first; second boxes on one face are left out."""
        followed = []
        for sighting in self._latest:
            visit = self._visit_of.get(sighting.track.number)
            best = visit.found.best if visit is not None and visit.found is not None else None
            followed.append(
                Followed(
                    track=sighting.track.number,
                    box=sighting.face.detection.box,
                    person=visit.person if visit is not None else None,
                    unknown=visit is not None and visit.unknown and visit.person is None,
                    score=best.score if best is not None else None,
                )
            )
        return followed

    def observe(self, observation: Observation) -> list[Event]:
        """Take in one frame, in the order of capture.

        A frame more than a second older than the one before is the start of something new: open visits end.
        """
        now, moment = observation.captured_at, observation.monotonic
        events: list[Event] = []
        if self._now is not None and now < self._now - _CLOCK_SLACK:
            events += self._end(self._open, self._now, moment)
            self._tracker.clear()
        elif self._now is not None:
            now = max(now, self._now)
        self._now = now
        events += self._end(self._overdue(now), now, moment)
        self._latest = self._tracker.update(observation, now)
        seen = self._attach(self._latest, observation, now)
        seen = [self._join_alike(visit) for visit in seen if visit in self._open]
        # The right one of two lookalikes first.
        for visit in sorted(dict.fromkeys(seen), key=lambda one: one.score, reverse=True):
            if visit in self._open:  # it may have gone into another one meanwhile
                events += self._decide(visit, now, moment)
        surplus = sorted(self._open, key=lambda one: one.evidence.last_seen)[:-_MOST_VISITS]
        return events + self._end(surplus, now, moment)

    def advance(self, now: float) -> list[Event]:
        """Let time pass without a frame: end the visits that nothing was seen of for longer than the gap.

        `now` is the UTC time up to which every frame has been observed: where frames are still under way, their delay
        is to be taken off, lest a visit ends whose next face is already captured.
        """
        return self._end(self._overdue(now), now, None)

    def flush(self, now: float) -> list[Event]:
        """End every open visit, as at the end of a recording or of the daemon."""
        self._tracker.clear()
        self._latest = []
        return self._end(self._open, now, None)

    def forget(self, person: str, now: float) -> list[Event]:
        """End the open visit of a person who is to be forgotten; who still stands there begins another one."""
        events = self._end([visit for visit in self._open if visit.person == person], now, None)
        for visit in self._open:
            visit.barred.discard(person)
        return events

    def excuse(self, now: float) -> None:
        """Nothing could be seen until `now` (UTC): absence up to here does not count towards the end of a visit."""
        self._blind_until = now

    def _overdue(self, now: float) -> list[Visit]:
        return [v for v in self._open if now - max(v.evidence.last_there, self._blind_until) > self._visit_gap]

    # -- from faces to visits

    def _attach(self, sightings: list[Sighting], observation: Observation, now: float) -> list[Visit]:
        """Give every sighting to a visit, where it has one; returns the visits that have something new to say."""
        live = {track.number for track in self._tracker.tracks}
        self._visit_of = {number: visit for number, visit in self._visit_of.items() if number in live}
        self._beside = {number: others for number, others in self._beside.items() if number in live}
        loose: list[Sighting] = []
        seen: list[Visit] = []
        for sighting in sightings:
            track = sighting.track
            visit = self._visit_of.get(track.number)
            if visit is not None and strayed(sighting, visit):
                del self._visit_of[track.number]
                track.evidence = Evidence(now, now)
                track.evidence.add(sighting.face, observation, now, self._gates)
                visit = None
            if visit is None:
                loose.append(sighting)
                continue
            visit.evidence.add(sighting.face, observation, now, self._gates)
            visit.box = track.box
            seen.append(visit)
        for sighting in loose:
            home = self._home(sighting.track, seen)
            if home is not None:
                self._give(sighting.track, home)
                seen.append(home)
        self._note_company(sightings)
        return list(dict.fromkeys(seen))

    def _home(self, track: Track, seen: Iterable[Visit]) -> Visit | None:
        """The visit that a track without one goes on with, or a new one; None while it is but one face."""
        taken = set(seen) | self._beside.get(track.number, set())
        free = [(alike(track.evidence, visit.evidence), visit) for visit in self._open if visit not in taken]
        proven = [(score, visit) for score, visit in free if score is not None and score >= SAME_PERSON]
        if proven:
            return max(proven, key=lambda pair: pair[0])[1]
        near = [visit for score, visit in free if score is None and may_continue(track, visit)]
        if near:
            return min(near, key=lambda visit: center_distance(track.box, visit.box))
        return self._begin(track) if track.evidence.seen - track.evidence.skipped >= _CONFIRMED else None

    def _begin(self, track: Track) -> Visit:
        self._ordinal += 1
        first = track.evidence.first_seen
        name = visit_id(self._node, self.camera, first, self._ordinal)
        visit = Visit(name, self.camera, track.box, Evidence(first, first))
        self._open.append(visit)
        return visit

    def _give(self, track: Track, visit: Visit) -> None:
        visit.evidence.merge(track.evidence)
        visit.box = track.box
        self._visit_of[track.number] = visit
        for other in self._beside.pop(track.number, set()):
            visit.beside.add(other)
            other.beside.add(visit)

    def _note_company(self, sightings: list[Sighting]) -> None:
        """Remember who was seen together, by usable faces: these are different people."""
        certain = [sighting.track.number for sighting in sightings if sighting.certain]
        visits = {self._visit_of[number] for number in certain if number in self._visit_of}
        for visit in visits:
            visit.beside |= visits - {visit}
        for number in certain:
            if number not in self._visit_of:
                self._beside.setdefault(number, set()).update(visits)

    # -- one person, one visit

    def _join_alike(self, visit: Visit) -> Visit:
        """Join two visits that look the same, if nobody was told of one of them; returns the one that goes on."""
        others = [
            (score, other)
            for other in self._open
            if other is not visit and other not in visit.beside and not (visit.public and other.public)
            if (score := alike(visit.evidence, other.evidence)) is not None and score >= SAME_PERSON
        ]
        if not others:
            return visit
        other = max(others, key=lambda pair: pair[0])[1]
        first = visit.evidence.first_seen < other.evidence.first_seen
        if visit.public or (first and not other.public):
            return self._join(other, visit)
        return self._join(visit, other)

    def _join(self, visit: Visit, into: Visit) -> Visit:
        """Give all of one visit to another one. If an event has told of the first, another must say that it ended."""
        if visit.evidence.last_seen >= into.evidence.last_seen:
            into.box = visit.box
        into.evidence.merge(visit.evidence)
        self._visit_of = {number: into if one is visit else one for number, one in self._visit_of.items()}
        into.barred |= visit.barred
        company = visit.beside - {into}
        into.beside |= company
        for other in company:
            other.beside.add(into)
        self._close(visit)
        return into

    def _close(self, visit: Visit) -> None:
        self._open.remove(visit)
        if visit.person is not None:
            for other in visit.beside:
                other.barred.add(visit.person)
        for others in (*(one.beside for one in self._open), *self._beside.values()):
            others.discard(visit)

    # -- decisions

    def _decide(self, visit: Visit, now: float, moment: float | None, *, final: bool = False) -> list[Event]:
        """Search with the pooled embedding; the events that follow."""
        mean, visit.final = visit.evidence.pool.mean, final
        if mean is None:
            return []
        if visit.person is not None:
            visit.found = self._recognizer.compare(mean, visit.person, self.limit.threshold, without=visit.taken)
            if visit.found.best is not None and not visit.ignored:
                self._seen[visit.person] = visit.evidence.last_there
            return []
        events = self._outdo(visit, mean, now, moment)
        if events:
            return events
        visit.found = self._recognizer.identify(mean, self.limit.threshold, without=visit.taken)
        verdict = self._rule.verdict(visit.evidence, visit.found, final=final)
        if verdict is Verdict.NAMED and visit.found.best is not None:
            return self._name(visit, visit.found.best.person, now, moment)
        if verdict is Verdict.UNKNOWN and not visit.unknown:
            visit.unknown = True
            return [self._event(EventType.UNKNOWN, visit, now, moment)]
        return []

    def _outdo(self, visit: Visit, mean: Embedding, now: float, moment: float | None) -> list[Event]:
        """Two people stand side by side, and one has the name of the other: end that visit and name the right one."""
        found = self._recognizer.identify(mean, self.limit.threshold, without=visit.barred)
        if found.best is None or self._rule.verdict(visit.evidence, found) is not Verdict.NAMED:
            return []
        for rival in visit.beside:
            held = rival.found.best if rival.found is not None else None
            if rival.person == found.best.person and held is not None:
                if found.best.score - held.score < self._rule.name_margin:
                    return []
                visit.found, events = found, self._end([rival], now, moment)
                visit.barred.discard(found.best.person)
                return events + self._name(visit, found.best.person, now, moment)
        return []

    def _name(self, visit: Visit, person: str, now: float, moment: float | None) -> list[Event]:
        """Give a visit its name; where another visit has it already, the two are one."""
        events: list[Event] = []
        named = next((other for other in self._open if other.person == person), None)
        if named is None and person in self._recognizer.ignored:
            visit.person, visit.ignored = person, True
            return events
        if named is None:
            visit.person = person
            events.append(self._event(EventType.RECOGNIZED, visit, now, moment))
        else:
            if visit.public:
                events.append(self._event(EventType.ENDED, visit, now, moment))
            visit = self._join(visit, named)
        if not visit.ignored:
            self._seen[person] = visit.evidence.last_there
            self._last_person = person
        return events

    def _end(self, visits: Iterable[Visit], now: float, moment: float | None) -> list[Event]:
        """Close visits, the longest unseen first: a last decision where the evidence allows one, then `ended`."""
        events: list[Event] = []
        for visit in sorted(visits, key=lambda one: (one.evidence.last_seen, one.evidence.first_seen)):
            if visit in self._open:
                events += self._decide(visit, now, moment, final=True)
            if visit in self._open:
                events.append(self._event(EventType.ENDED, visit, now, moment))
                if visit.person is not None and not visit.ignored and -1.0 < visit.score < self.limit.threshold:
                    _log.info("%s: at the end the visit of %s was below the threshold", self.camera, visit.person)
                self._close(visit)
        over = {number for number, visit in self._visit_of.items() if visit not in self._open}
        self._visit_of = {number: visit for number, visit in self._visit_of.items() if number not in over}
        self._tracker.forget(over)
        return events

    def _event(self, kind: EventType, visit: Visit, now: float, moment: float | None) -> Event:
        silent = kind is EventType.ENDED and not visit.unknown and (visit.person is None or visit.ignored)
        why = IGNORED if visit.ignored else self._rule.undecided(visit.evidence, visit.found)
        return visit.event(
            kind,
            now=now,
            moment=moment,
            threshold=self.limit.threshold,
            false_alarm_rate=self.limit.false_alarm_rate,
            account=account(
                visit.evidence,
                visit.found,
                self._recognizer,
                self._rule,
                taken=visit.taken,
                threshold=self.limit.threshold,
                threshold_from=self.limit.source,
                final=visit.final or kind is EventType.ENDED,
            ),
            reason=why if silent else None,
            untold=self._recognizer.ignored,
        )

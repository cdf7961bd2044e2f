"""What is kept no longer: events and pictures beyond their age or number, and people who are to be forgotten.

`camwatch forget` erases the photos and leaves a request in the state folder. Whoever holds the database acts on it:
the daemon, or the command itself where no daemon runs.
"""

import logging
from pathlib import Path

from camwatch.errors import StateError
from camwatch.pipeline import Decider
from camwatch.publishing import archive
from camwatch.publishing.events import nameless
from camwatch.publishing.outbox import Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.requests import Request, Requests
from camwatch.service.reporting import Reporting

log = logging.getLogger(__name__)

PRUNE_EVERY = 3600.0
PAUSE = 60.0
"""Seconds after which it is tried again where something could not be erased: a try may take long."""
PATIENCE = 20.0
"""Seconds for the gallery to lose somebody whose photos were erased; beyond it they are enrolled in another folder."""


class Keeping:
    """Erases; owned by the main loop, time is an argument.

    Args:
        state: The state folder.
        outbox: The history.
        decider: Holds the open visits.
        publisher: Tells whether the broker has what it was sent.
        reporting: Knows people by name.
    """

    def __init__(
        self, state: Path, *, outbox: Outbox, decider: Decider, publisher: MqttPublisher, reporting: Reporting
    ) -> None:
        """Keep the collaborators; `change` says for how long."""
        self._state = state
        self._requests = Requests(state)
        self._outbox, self._decider, self._publisher, self._reporting = outbox, decider, publisher, reporting
        self._age = self._next_prune = 0.0
        self._count = 0
        self._since: dict[Path, float] = {}  # when each request was seen first
        self._unlisted: set[Path] = set()
        self._complaint, self._pause_until = "", 0.0

    def change(self, *, keep_days: float, keep_snapshots: int) -> None:
        """How long and how much is kept from now on.

        Args:
            keep_days: Days for acknowledged events and pictures.
            keep_snapshots: How many pictures.
        """
        self._age, self._count = keep_days * 86400.0, keep_snapshots
        self._next_prune = 0.0

    def every_second(self, now: float) -> None:
        """Forget who is to be forgotten; once an hour, what is old. `now` is UTC."""
        if not self._pause_until - PAUSE <= now < self._pause_until:
            for request in self._requests.waiting():
                self._act(request, now)
        # also where the clock was set back since
        if not self._next_prune - PRUNE_EVERY <= now < self._next_prune:
            self._next_prune = now + PRUNE_EVERY
            self._prune(now)

    def _prune(self, now: float) -> None:
        try:
            self._outbox.prune(now - self._age)
            archive.prune(self._state, keep=self._count, max_age=self._age, now=now)
        except (StateError, OSError) as error:
            log.error("old events and snapshots cannot be removed: %s", error)
        self._reporting.announce()  # without entities that left long ago

    def _act(self, request: Request, now: float) -> None:
        try:
            if request.person is not None:
                if not self._may_erase(request.path, request.person, now):
                    return
                self._erase(request.person, now)
                request = self._requests.erased(request)
                log.info("somebody was forgotten, as asked for: photos, visits and snapshots are erased")
            # Home Assistant must have been told that they are gone, before that is not even said any more.
            if self._reporting.enrolled is None or not self._publisher.settled:
                return
            if request.path not in self._unlisted:
                self._unlisted.add(request.path)
                self._reporting.unlist(request.slug)
                return
            self._reporting.remember()
            self._requests.done(request)
        except (StateError, OSError) as error:
            if str(error) != self._complaint:
                log.error("somebody is to be forgotten, and cannot be yet: %s", error)
            self._complaint, self._pause_until = str(error), now + PAUSE
            return
        self._unlisted.discard(request.path)
        self._since.pop(request.path, None)
        self._complaint = ""

    def _may_erase(self, path: Path, person: str, now: float) -> bool:
        """Not while the name would come back: the gallery must have lost the person, and events must be on disk."""
        since = self._since.setdefault(path, now)
        enrolled = self._reporting.enrolled
        if enrolled is None or not self._reporting.all_saved:
            return False
        return person not in enrolled or not 0 <= now - since < PATIENCE

    def _erase(self, person: str, now: float) -> None:
        ended = self._decider.forget(person, now)
        self._reporting.events([nameless(event) for event in ended], now)
        if not self._reporting.all_saved:
            raise StateError("the state database takes no events")
        # First the pictures: once the visits are gone, nobody knows whose they were.
        archive.erase_person(self._state, person, self._outbox.visits_of(person))
        self._outbox.forget(person, now)
        archive.erase_orphans(self._state, self._outbox.visits())
        self._outbox.scrub()
        if person not in (self._reporting.enrolled or ()):
            self._reporting.forget(person)
        self._reporting.remember()

"""What others keep of us, remembered on disk: retained topics at the broker, slugs in Home Assistant.

Both outlive the daemon. A topic is remembered from before its first value until the broker has acknowledged that it was
cleared, so whatever left while we were stopped is cleared after the next start. A slug belongs to the same person for
as long as that one is enrolled, whoever else comes or goes.
"""

import json
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from camwatch.files import from_json, write_whole
from camwatch.names import slugs
from camwatch.publishing.topics import check_topic

log = logging.getLogger(__name__)

VERSION = 1
KEPT_FILE = "kept.json"
"""Name of the file within the state directory."""
FORGOTTEN = " "
"""Whose face a topic shows where that one was forgotten and the topic is not cleared yet; nobody can be called so."""


class Kept:
    """The memory. One thread uses it, and saves before the broker is told.

    Args:
        path: JSON file, `{"version": 1, "topics": {TOPIC: PERSON OR ""}, "slugs": {SLUG: NAME}}`; PERSON is whose face
            the topic shows.
    """

    def __init__(self, path: Path) -> None:
        """Read what was kept before; where that is damaged, old topics stay at the broker."""
        self._path = path
        self._claimed: set[str] = set()
        self._topics, self._slugs = _read(path)
        self._changed = self._failed = False

    @property
    def people(self) -> tuple[str, ...]:
        """Who has a slug."""
        return tuple(sorted(self._slugs.values()))

    @property
    def topics(self) -> Mapping[str, str]:
        """All that the broker keeps of us, or may keep, with whose face each topic shows."""
        return dict(self._topics)

    def take_over(self, topics: Mapping[str, str]) -> None:
        """Topics that the daemon before this one kept elsewhere, with whose face each shows; claimed by nobody yet."""
        for topic in topics.keys() - self._topics.keys():
            self._topics[topic], self._changed = topics[topic], True

    def slugs(self, people: Iterable[str]) -> dict[str, str]:
        """The slug of every person by name; who has one keeps it."""
        names = set(people)
        had = {name: slug for slug, name in self._slugs.items() if name in names}
        found = slugs(names, had)
        now = {slug: name for name, slug in found.items()}
        if now != self._slugs:
            self._slugs, self._changed = now, True
        return found

    def claim(self, topics: Iterable[str]) -> None:
        """What these topics hold from an earlier life of ours, if anything, may stay."""
        self._claimed.update(topics)

    def set(self, topic: str, person: str = "") -> None:
        """A topic gets a value, about a person where it shows a face."""
        self._claimed.add(topic)
        if self._topics.get(topic) != person:
            self._topics[topic], self._changed = person, True

    def cleared(self, topics: Iterable[str]) -> None:
        """The broker has acknowledged that these are empty."""
        gone = [topic for topic in topics if self._topics.pop(topic, None) is not None]
        if gone:
            self._claimed.difference_update(gone)
            self._changed = True

    def unclaimed(self) -> list[str]:
        """Topics that an earlier life of ours set and this one does not know, the status last.

        If it was not an earlier life but another node, whose state was copied, it notices that by its status and says
        everything again; nothing may be cleared after that.
        """
        return [topic for topic in reversed(self._topics) if topic not in self._claimed]

    def showing_others(self, people: Collection[str]) -> list[str]:
        """Topics that show the face of somebody who is none of these people."""
        return [topic for topic, person in self._topics.items() if person and person not in people]

    def forget(self, person: str) -> None:
        """Drop a name and its slug; of topics that show the face it is remembered that they are to be cleared."""
        shown = [topic for topic, whose in self._topics.items() if person and whose == person]
        self._topics.update(dict.fromkeys(shown, FORGOTTEN))
        had = len(self._slugs)
        self._slugs = {slug: name for slug, name in self._slugs.items() if name != person}
        self._changed = self._changed or bool(shown) or len(self._slugs) < had

    def save(self) -> None:
        """Write what has changed since the last call; the file is written whole or not at all."""
        if not self._changed:
            return
        text = json.dumps({"version": VERSION, "topics": self._topics, "slugs": self._slugs}, indent=1)
        try:
            write_whole(self._path, text.encode() + b"\n")
        except OSError as error:
            if not self._failed:
                log.error("%s: the broker may keep what leaves: %s", self._path, error.strerror)
            self._failed = True
            return
        self._changed = self._failed = False


def _read(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    try:
        stored = from_json(path.read_text(encoding="utf-8"))
        if stored["version"] != VERSION:
            raise ValueError(f"version {stored['version']}, not {VERSION}")
        topics, names = ({str(key): str(value) for key, value in stored[what].items()} for what in ("topics", "slugs"))
        for topic in topics:
            check_topic(topic)
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("%s is damaged (%s): the broker may keep what has left", path, error)
        return {}, {}
    return topics, names

"""`camwatch forget`: a person out of the gallery, the history, the pictures and the broker, and the proof of it."""

import difflib
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from camwatch.arrays import read_arrays
from camwatch.config.model import DEFAULT_FACES, DEFAULT_STATE, Config, load
from camwatch.errors import DeliveryError, PhotoError, StateInUse, UnknownPerson
from camwatch.files import as_owner_of, from_json, remove_parts
from camwatch.identification.cache import CACHE_FILE, keep_rows
from camwatch.identification.faces import Forgotten, scan
from camwatch.identification.faces import forget as erase_person
from camwatch.identification.folder import locked
from camwatch.names import checked_name
from camwatch.names import slug as slug_of
from camwatch.publishing import archive
from camwatch.publishing.broker import Broker
from camwatch.publishing.discovery import DISCOVERY_FILE, Discovery, Style
from camwatch.publishing.errand import set_retained
from camwatch.publishing.events import camera_state
from camwatch.publishing.kept import KEPT_FILE, Kept
from camwatch.publishing.outbox import EVENTS_FILE, Outbox, visits_of
from camwatch.publishing.requests import REQUESTS_FOLDER, Request, Requests
from camwatch.publishing.snapshots import SNAPSHOTS_FOLDER
from camwatch.publishing.topics import Topics
from camwatch.publishing.traces import retained, slug_in, traces
from camwatch.records import CameraState

PATIENCE = 30.0
"""Seconds that a running daemon has to do its part; it needs about five."""
BROKER_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class AtBroker:
    """What is needed to clear at the broker what a stopped daemon left there."""

    broker: Broker
    topics: Topics
    cameras: tuple[str, ...]
    prefix: str | None
    style: Style
    images: bool


def at_broker(config: Config) -> AtBroker:
    """As a configuration has it."""
    mqtt = config.mqtt
    return AtBroker(
        broker=mqtt.broker(),
        topics=Topics(mqtt.topic_prefix, config.node),
        cameras=tuple(config.cameras),
        prefix=mqtt.discovery_prefix,
        style=mqtt.discovery_style,
        images=config.events.snapshots,
    )


def command(name: str, *, faces: Path | None, state: Path | None, config: Path | None) -> int:
    """`camwatch forget` as it was called; the exit status.

    Args:
        name: The person's name.
        faces: The gallery; that of the configuration, or the default one, where None.
        state: The state directory; that of the configuration, or the default one beside the default gallery.
        config: The daemon's configuration; with it the broker can be cleared while no daemon runs.

    Raises:
        InputError: The configuration is wrong, nobody has this name, ...
        StateError: The state cannot be used.
    """
    if config is None:
        if state is None and faces in (None, DEFAULT_FACES) and DEFAULT_STATE.is_dir():
            state = DEFAULT_STATE
        return forget(name, faces or DEFAULT_FACES, state)
    loaded = load(config)
    if state is None and loaded.events.state.is_dir():
        state = loaded.events.state
    return forget(name, faces or loaded.recognition.faces, state, broker=at_broker(loaded))


def forget(
    name: str,
    faces: Path,
    state: Path | None,
    *,
    broker: AtBroker | None = None,
    results: TextIO | None = None,
    notes: TextIO | None = None,
    patience: float = PATIENCE,
) -> int:
    """Erase a person: photos, embeddings, visits, snapshots, and what the broker keeps; then look whether it is so.

    A running daemon is asked to erase what is its own, and waited for. Where none runs it is done here.

    Args:
        name: The person's name.
        faces: The gallery.
        state: The daemon's state directory; None leaves all but the gallery.
        broker: How to clear what the broker keeps, for where no daemon runs; without it, its next start does so.
        results: Where what was erased is told; stdout by default.
        notes: Where hints, and what is left, go; stderr by default.
        patience: Seconds to wait for a running daemon.

    Returns:
        The exit status: 1 where something is left.

    Raises:
        PhotoError: It is no name, nobody has it, or something cannot be erased.
        StateError: The state cannot be read; nothing is erased then.
    """
    results, notes = results or sys.stdout, notes or sys.stderr
    name = checked_name(name)
    if state is not None and not state.is_dir():
        raise PhotoError(f"{state}: no such folder; --state names where the daemon keeps its history")
    with as_owner_of(state):
        history = _History.of(state, name)
    gone = _erase_photos(name, faces, known=history.known)
    for photo in gone.photos if gone else ():
        print(f"erased {photo}", file=results)
    if gone:
        print(f"{name}: photos erased: {len(gone.photos)}, embeddings erased: {gone.cached}", file=results)
    else:
        print(f"{name}: no photos in {faces}", file=results)
    left = [f"{path}: a photo of {name}, which a link in the gallery led to" for path in (gone.targets if gone else ())]
    if state is None:
        print(f"{name}: history and snapshots were not looked for; --state DIR or --config FILE names them", file=notes)
    else:
        with as_owner_of(state):
            left += _erase_history(name, state, history, broker, patience, results)
    # Last: until it has looked at the folder again, a daemon may have written the cache.
    left += _in_gallery(name, faces)
    if faces.is_dir() and not scan(faces, allow_empty=True).people:
        print(f"{faces}: nobody is left; the daemon goes on, and everybody is unknown to it", file=notes)
    for line in left:
        print(f"left: {line}", file=notes)
    if left:
        return 1
    print(f"nothing of {name} is left in {faces}{'' if state is None else f', {state}'}", file=results)
    return 0


@dataclass(frozen=True, slots=True)
class _History:
    """What the state folder knew of a person before anything was erased."""

    slug: str
    visits: list[str]
    topics: list[str]
    named: bool

    @classmethod
    def of(cls, state: Path | None, name: str) -> "_History":
        if state is None:
            return cls(slug_of(name), [], [], False)
        slug = slug_in(state, name) or slug_of(name)
        asked = any(request.slug == slug for request in Requests(state).waiting())
        visits = visits_of(state / EVENTS_FILE, name)
        return cls(slug, visits, retained(state, slug, name), asked or bool(traces(state, name)))

    @property
    def known(self) -> bool:
        return self.named or bool(self.visits)


def _erase_photos(name: str, faces: Path, *, known: bool) -> Forgotten | None:
    """Erase what the gallery has."""
    before = scan(faces, allow_empty=True, any_name=True)
    try:
        return erase_person(faces, name)
    except UnknownPerson:
        # The photos may have been removed by hand, and their embeddings not.
        try:
            with as_owner_of(faces), locked(faces):
                keep_rows(faces, {photo.sha256 for photo in before.photos})
        except OSError as error:
            raise PhotoError(f"{faces}: cannot be erased: {error.strerror or error}") from error
        if not known:
            raise PhotoError(f"{faces}: nobody is called {name!r}; {_near(name, before.people)}") from None
        return None


def _in_gallery(name: str, faces: Path) -> list[str]:
    """What the gallery still has of a person, or of a photo that is not there any more: nobody knows whose it was."""
    photos = scan(faces, allow_empty=True, any_name=True).photos
    left = [f"{photo.path}: a photo of {name}" for photo in photos if photo.person == name]
    cache = faces / CACHE_FILE
    try:
        rows = {str(row[0]) for row in from_json(str(read_arrays(cache)["index"]))["photos"]}
    except FileNotFoundError:
        return left
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return [*left, f"{cache}: cannot be read"]
    orphans = rows - {photo.sha256 for photo in photos}
    return left + ([f"{cache}: embeddings of photos that are not there any more"] if orphans else [])


def _erase_history(
    name: str, state: Path, history: _History, broker: AtBroker | None, patience: float, results: TextIO
) -> list[str]:
    """Have the state folder and the broker forget a person; what is left of it."""
    if not (state / EVENTS_FILE).exists():
        return traces(state, name)  # no daemon has ever run here
    pictures = [visit for visit in history.visits if (state / SNAPSHOTS_FOLDER / f"{visit}.jpg").exists()]
    told = archive.accounts_of(state, name, history.visits)
    requests = Requests(state)
    waiting = [one for one in requests.waiting() if one.slug == history.slug and one.person in (None, name)]
    request = requests.ask(name, history.slug)
    deadline = time.monotonic() + patience
    trouble, running = "", False
    while request.path.exists() and time.monotonic() < deadline:
        try:
            trouble = _act_here(state, requests, broker)
            running = False
            break
        except StateInUse:
            running = True
            time.sleep(0.2)
    if not request.path.exists():
        for older in waiting:
            requests.done(older)  # it asked for the same
    left = traces(state, name)
    topics = retained(state, history.slug, name)
    gone = [visit for visit in pictures if not (state / SNAPSHOTS_FOLDER / f"{visit}.jpg").exists()]
    now_there = set(visits_of(state / EVENTS_FILE, name))
    print(f"{name}: snapshots erased: {len(gone)}", file=results)
    print(f"{name}: accounts of events erased: {sum(not path.exists() for path in told)}", file=results)
    print(f"{name}: visits erased: {len(set(history.visits) - now_there)}", file=results)
    print(f"{name}: retained messages taken back: {len(set(history.topics) - set(topics))}", file=results)
    return left + _at_the_broker(topics, request, trouble, running)


def _at_the_broker(topics: list[str], request: Request, trouble: str, running: bool) -> list[str]:
    """What is still to be done, and who will do it."""
    if not request.path.exists():
        return [f"the broker may keep {topic}: it did not accept that this is cleared" for topic in topics]
    when = "camwatch clears it when the broker is there" if running else "the next start of camwatch clears it"
    why = f"{trouble}; " if trouble else "" if running else "no --config FILE says where the broker is; "
    what = ", ".join(topics) or "nothing that is remembered, but it was not asked"
    return [f"the broker may keep {what}: {why}{when}, and until then {request.path} notes the slug"]


def _act_here(state: Path, requests: Requests, broker: AtBroker | None) -> str:
    """Do what a daemon would do, while none runs; why the broker could not be cleared, empty where it was.

    Raises:
        StateInUse: A daemon runs.
        StateError: The history cannot be read or written.
    """
    now = time.time()
    outbox, note = Outbox.open(state / EVENTS_FILE, now)
    try:
        for folder in (state, *(state / name for name in archive.FOLDERS), state / REQUESTS_FOLDER):
            remove_parts(folder)
        kept = Kept(state / KEPT_FILE)
        for request in requests.waiting():
            if request.person is None:
                continue
            # First the pictures: once the visits are gone, nobody knows whose they were.
            archive.erase_person(state, request.person, outbox.visits_of(request.person))
            outbox.forget(request.person, now)
            archive.erase_orphans(state, outbox.visits())
            outbox.scrub()
            kept.forget(request.person)
            kept.save()
            requests.erased(request)
        for request in requests.waiting():
            if broker is not None:
                _clear(state, kept, request.slug, broker)
            if broker is not None or not retained(state, request.slug):
                requests.done(request)
    except DeliveryError as error:
        return str(error)
    finally:
        outbox.close()
    return note or ""


def _clear(state: Path, kept: Kept, slug: str, at: AtBroker) -> None:
    """Clear at the broker what tells of a person, and what the cameras of a stopped daemon said last.

    Raises:
        DeliveryError: The broker is not there, or refuses us.
    """
    topics = retained(state, slug)
    cameras = {at.topics.camera_state(camera): camera for camera in at.cameras}
    messages = {topic: b"" for topic in topics if topic in kept.topics and not topic.endswith("/config")}
    for topic in cameras.keys() & set(kept.topics):
        messages[topic] = camera_state(CameraState(cameras[topic], (), 0, None, None, 0.0))
    _send(kept, messages, at)
    if not any(topic.endswith("/config") for topic in topics):
        return
    discovery = Discovery(
        state / DISCOVERY_FILE,
        topics=at.topics,
        cameras=at.cameras,
        prefix=at.prefix,
        style=at.style,
        images=at.images,
    )
    people = {short: person for person, short in kept.slugs(kept.people).items()}
    # First that the entities are gone, for Home Assistant; then without a word of them.
    _send(kept, {topic: message or b"" for topic, message in discovery.announce(people).items()}, at)
    discovery.forget(slug)
    _send(kept, {topic: message or b"" for topic, message in discovery.announce(people).items()}, at)


def _send(kept: Kept, messages: dict[str, bytes], at: AtBroker) -> None:
    if not messages:
        return
    for topic in messages:
        kept.set(topic)
    kept.save()
    taken = set_retained(at.broker, messages, status=at.topics.status, timeout=BROKER_TIMEOUT)
    kept.cleared([topic for topic in taken if not messages[topic]])
    kept.save()


def _near(name: str, people: tuple[str, ...]) -> str:
    alike = difflib.get_close_matches(name.casefold(), [person.casefold() for person in people], n=3)
    near = [person for person in people if person.casefold() in alike]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"people enrolled: {len(people)}"

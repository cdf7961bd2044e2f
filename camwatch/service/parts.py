"""Settings become the parts of a daemon, in the order of starting; a reload makes single ones of them again."""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from camwatch.errors import StateError
from camwatch.files import remove_parts, write_whole
from camwatch.identification.evidence import Gates
from camwatch.pipeline import Decider
from camwatch.publishing.archive import FOLDERS, Archive
from camwatch.publishing.discovery import DISCOVERY_FILE, Discovery
from camwatch.publishing.kept import KEPT_FILE, Kept
from camwatch.publishing.outbox import EVENTS_FILE, Outbox
from camwatch.publishing.publisher import MqttPublisher
from camwatch.publishing.topics import Topics
from camwatch.service.cameras import Cameras
from camwatch.service.gallery_loader import GalleryLoader
from camwatch.service.inference import inference_child
from camwatch.service.keeping import Keeping
from camwatch.service.reporting import Reporting
from camwatch.service.settings import Settings
from camwatch.service.supervisor import Child, Supervisor
from camwatch.service.switches import SWITCHES_FILE, Switches
from camwatch.service.telemetry import Telemetry

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Estate:
    """What a daemon leaves to its successor in the same process, whatever is or is not on disk.

    Attributes:
        state: Its state folder.
        said: What somebody said of the cameras' switches.
        topics: What the broker keeps, and whose face each topic shows.
        discovery: What Home Assistant was told of, as in its file.
    """

    state: Path
    said: Mapping[str, bool]
    topics: Mapping[str, str]
    discovery: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """What a daemon is made of. `wake_fd` is an event descriptor that ends a wait of its loop."""

    supervisor: Supervisor
    cameras: Cameras
    switches: Switches
    gallery: GalleryLoader
    decider: Decider
    topics: Topics
    publisher: MqttPublisher
    reporting: Reporting
    keeping: Keeping
    telemetry: Telemetry
    kept: Kept
    wake_fd: int

    def estate(self, state: Path) -> Estate:
        """What the next daemon has to know; `state` is the folder of this one."""
        try:
            told = (state / DISCOVERY_FILE).read_bytes()
        except OSError:
            told = b""
        return Estate(state, self.switches.said, self.kept.topics, told)


def make_parts(settings: Settings, log_format: str, stack: ExitStack, estate: Estate | None = None) -> Parts:
    """All parts; nothing runs yet. What must be undone is put on `stack` in the order of building.

    Raises:
        InputError: Something the settings name cannot be used.
        StateError: The state directory cannot be used.
    """
    wake_fd, bell_fd = _event_fd(stack), _event_fd(stack)
    outbox, note = Outbox.open(settings.state / EVENTS_FILE, time.time())
    stack.callback(outbox.close)
    if note:
        log.error("%s", note)
    for folder in (settings.state, *(settings.state / name for name in FOLDERS)):
        remove_parts(folder)  # the outbox's lock is ours, so nobody is writing
    kept, switches = Kept(settings.state / KEPT_FILE), Switches(settings.state / SWITCHES_FILE, settings.enabled)
    if estate is not None:
        _inherit(settings.state, estate, outbox, kept, switches)
    supervisor = Supervisor()
    cameras = Cameras(list(settings.readers.values()), supervisor, bell_fd=bell_fd, log_format=log_format)
    stack.callback(cameras.close)
    telemetry = Telemetry(cameras.rings)
    topics = Topics(settings.topic_prefix, settings.node)
    discovery = make_discovery(settings, topics)
    publisher = MqttPublisher(
        broker=settings.broker,
        topics=topics,
        outbox=outbox,
        max_live_age=settings.max_live_age,
        wake=lambda: os.eventfd_write(wake_fd, 1),
        subscriptions=subscriptions(settings, topics, discovery),
    )
    decider = Decider(settings.rules, node=settings.node)
    reporting = Reporting(
        node=settings.node,
        topics=topics,
        publisher=publisher,
        kept=kept,
        outbox=outbox,
        archive=make_archive(settings),
        telemetry=telemetry,
        gates=make_gates(settings),
        discovery=discovery,
    )
    keeping = Keeping(settings.state, outbox=outbox, decider=decider, publisher=publisher, reporting=reporting)
    keeping.change(keep_days=settings.keep_days, keep_snapshots=settings.keep_snapshots)
    return Parts(
        supervisor=supervisor,
        cameras=cameras,
        switches=switches,
        gallery=GalleryLoader(
            settings.faces,
            false_alarm_rate=settings.false_alarm_rate,
            threshold=settings.threshold,
            ignored=settings.ignored,
        ),
        decider=decider,
        topics=topics,
        publisher=publisher,
        reporting=reporting,
        keeping=keeping,
        telemetry=telemetry,
        kept=kept,
        wake_fd=wake_fd,
    )


def _inherit(state: Path, estate: Estate, outbox: Outbox, kept: Kept, switches: Switches) -> None:
    """Take over what must not be forgotten: who is switched off, what is to be sent, what others keep of us."""
    switches.take_over(estate.said)
    if estate.state == state:
        return
    kept.take_over(estate.topics)
    if estate.discovery and not (state / DISCOVERY_FILE).exists():
        try:
            write_whole(state / DISCOVERY_FILE, estate.discovery)
        except OSError as error:
            log.error("%s: what left may stay in Home Assistant: %s", state / DISCOVERY_FILE, error.strerror)
    try:
        waiting = outbox.adopt(estate.state / EVENTS_FILE, time.time())
        log.info("the history of visits stays in %s; %d events that waited came along", estate.state, waiting)
    except StateError as error:
        log.error("events may wait for the broker in %s, where nobody sends them: %s", estate.state, error)


def make_inference(settings: Settings, cameras: Cameras) -> Child:
    """The child that analyses the frames of these cameras."""
    return inference_child(cameras, min_face=settings.min_face, cache=settings.state / "engine", **settings.engine)


def make_discovery(settings: Settings, topics: Topics) -> Discovery:
    """What Home Assistant is told."""
    return Discovery(
        settings.state / DISCOVERY_FILE,
        topics=topics,
        cameras=list(settings.readers),
        prefix=settings.discovery_prefix,
        style=settings.discovery_style,
        images=settings.snapshots,
    )


def make_archive(settings: Settings) -> Archive:
    """Where pictures and accounts are kept.

    Raises:
        StateError: A folder cannot be made.
    """
    age = settings.keep_days * 86400.0
    return Archive(settings.state, faces=settings.snapshots, keep=settings.keep_snapshots, max_age=age)


def make_gates(settings: Settings) -> dict[str, Gates]:
    """Which faces of each camera count."""
    return {camera: Gates(min_height=float(height)) for camera, height in settings.min_face.items()}


def subscriptions(settings: Settings, topics: Topics, discovery: Discovery) -> list[str]:
    """The topics of commands."""
    births = [] if discovery.birth_topic is None else [discovery.birth_topic]
    return [*(topics.camera_enabled_set(camera) for camera in settings.readers), *births]


def _event_fd(stack: ExitStack) -> int:
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    stack.callback(os.close, fd)
    return fd

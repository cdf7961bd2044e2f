"""The main process at work: one loop over children, broker and clock, and the order of stopping."""

import logging
import os
import random
import select
import time
from collections.abc import Container, Iterable
from dataclasses import replace

from camwatch.errors import InputError, StateError
from camwatch.publishing.broker import ONLINE
from camwatch.publishing.mqtt import Command
from camwatch.records import Event, Settled
from camwatch.service import systemd
from camwatch.service.cameras import reader_name
from camwatch.service.health import Health, Verdict
from camwatch.service.inference import START_SILENCE
from camwatch.service.messages import Message, observation_from, settled_message
from camwatch.service.parts import Parts, make_inference
from camwatch.service.reload import Changes, Reloader, changes
from camwatch.service.settings import Settings
from camwatch.service.sight import Sight
from camwatch.service.supervisor import Child

log = logging.getLogger(__name__)

TURN = 0.25
"""Longest wait of the main loop, seconds: what is due by time is done at most this much later."""
DRAIN = 0.7
"""Seconds that frames already captured have to be analysed at the stop."""
BLIND_AFTER = 3.0
"""Seconds without a word from inference after which its silence says nothing about who is there."""
BIRTH_DELAY = 1.0, 5.0
"""Seconds, the least and the most, until a Home Assistant that has started is told everything: not all at once."""


class Daemon:
    """The running service. `run` returns when `stop_soon` asks for the end, or when it has a successor.

    Args:
        parts: What it is made of; nothing of it runs before `run`.

    Attributes:
        reloading: Whether somebody asked for it and it has not been done.
        reloader: Changes the parts while it runs; set before `run`.
        successor: Settings by which another daemon is to take this one's place, once `run` has returned.
    """

    reloader: Reloader

    def __init__(self, parts: Parts) -> None:
        """Take the parts over; nothing runs before `run`."""
        self.successor: Settings | None = None
        self._supervisor = parts.supervisor
        self._supervisor.on_death = self._child_died
        self._cameras = parts.cameras
        self._switches = parts.switches
        self._gallery = parts.gallery
        self._decider = parts.decider
        self._topics = parts.topics
        self._publisher = parts.publisher
        self._reporting, self._keeping = parts.reporting, parts.keeping
        self._telemetry = parts.telemetry
        self._wake = parts.wake_fd
        self._resend_at: float | None = None
        self._stopping = self._ready = self.reloading = False
        self._last_engine: Settings | None = None  # to go back to until the new one is ready
        self._loading_until = 0.0
        self._fatal: str | None = None
        self._health = Health()
        self._sight = Sight()
        self._settled: dict[str, Settled] = {}  # as inference was told

    def stop_soon(self) -> None:
        """Ask for the end; safe from a signal handler and from other threads."""
        self._stopping = True
        os.eventfd_write(self._wake, 1)

    def reload_soon(self) -> None:
        """Ask for the configuration to be read again; safe from a signal handler."""
        self.reloading = True
        os.eventfd_write(self._wake, 1)

    def run(self) -> int:
        """The main loop, then the stop; the exit status.

        Raises:
            CamwatchError: Something that a restart of a child cannot cure.
        """
        self._reporting.begin(self._cameras.names, time.time())
        self._publisher.start()
        self._supervisor.add(make_inference(self.reloader.settings, self._cameras), time.monotonic())
        watchdog, next_second = systemd.Watchdog(), 0.0
        try:
            while not self._stopping and (self._fatal is None or self._last_engine is not None):
                ready = self._wait(TURN)
                now = time.monotonic()
                self._read_children(now, ready)
                self._swap_gallery()
                self._take_settings()
                if now >= next_second:
                    next_second = now + 1.0
                    self._every_second(now)
                self._publish()
                watchdog.feed(now, lambda: self.judge().healthy)
            why = None if self._stopping else self._fatal
        finally:
            self._stop()
        if why is not None:
            raise InputError(why)
        return 0

    # -- the loop

    def _wait(self, seconds: float) -> set[int]:
        """Wait for something to do; the descriptors that have something to read."""
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        for _, inbox in self._supervisor.inboxes():
            poll.register(inbox.fileno(), select.POLLIN | select.POLLHUP)
        ready = {fd for fd, _ in poll.poll(seconds * 1000)}
        if self._wake in ready:
            os.eventfd_read(self._wake)
        return ready

    def _read_children(self, now: float, ready: Container[int]) -> None:
        # Most turns are for one child: asking all the others too would cost more than what that one has to say.
        for child, inbox in self._supervisor.inboxes():
            if inbox.fileno() not in ready:
                continue
            for message in self._supervisor.read(child, now):
                if child.inbox is None:
                    break  # an earlier message was its last one
                if child.name == "inference":
                    self._from_inference(message)
                else:
                    self._from_reader(child.name.removeprefix("reader "), message)
        self._supervisor.bury(now)

    def _from_inference(self, message: Message) -> None:
        match message.kind:
            case "observation":
                observation = observation_from(message)
                if not self._cameras.is_enabled(observation.camera) or self._sight.is_past(observation):
                    return  # switched off while this was under way, or of the scene before
                if self._sight.observed(observation):
                    self._decider.excuse(observation.camera, observation.captured_at)
                started = time.perf_counter()
                events = self._decider.decide(observation)
                self._reporting.observed(observation, events, time.perf_counter() - started)
                self._tell_settled(observation.camera)
                self._report(events)
            case "stats":
                for stage, values in message.fields["stages"].items():
                    self._telemetry.child_stage("inference", stage, values)
                self._telemetry.batch_frames(message.fields["batches"])
                self._telemetry.capped_so_far(message.fields["capped"])
            case "ready":
                log.info("inference is ready (%s)", message.fields["network"])
                self._last_engine, self._loading_until = None, 0.0
                self._embed(self._gallery.begin(message.fields["network"]))
            case "embedding" | "enrolled" | "refused":
                self._gallery.take(message)
            case "fatal":
                self._fatal = str(message.fields["error"])

    def _hear_out(self, messages: list[Message]) -> None:
        """What inference said last; how it is counts no more, and its photos are embedded again where need be."""
        for message in messages:
            if message.kind in ("observation", "stats"):
                self._from_inference(message)

    def _tell_settled(self, camera: str) -> None:
        """Spare inference the faces of whom enough is known. Came this late or never, more would be embedded."""
        settled = self._decider.settled(camera)
        if settled != self._settled.get(camera) and self._supervisor.send(
            "inference", settled_message(camera, settled)
        ):
            self._settled[camera] = settled

    def _from_reader(self, camera: str, message: Message) -> None:
        if message.kind == "stats":
            self._telemetry.child_stage(f"reader {camera}", "decode", message.fields["decode"])
        elif message.kind == "source":
            reason = self._cameras.handle(camera, message)
            if not self._cameras.is_watching(camera):
                self._sight.lost(camera, time.monotonic())
            self._reporting.camera_changed(camera, up=self._cameras.is_up(camera), reason=reason)
            if message.fields.get("ended"):
                # There is nothing more to read; started again, it would show the same visits once more.
                self._supervisor.stop_child(reader_name(camera))
                self._telemetry.end_life(reader_name(camera))

    def _every_second(self, now: float) -> None:
        self._supervisor.step(now)
        loading = now < self._loading_until  # inference was started anew on purpose, and may take its time
        self._health.judge({} if loading else self._cameras.counts(), dict(self._cameras.down), now=now)
        self._advance(now)
        if self._gallery.network is not None:
            self._embed(self._gallery.poll(now))
        if self._resend_at is not None and now >= self._resend_at:
            self._resend_at = None
            log.info("Home Assistant has started: telling it of all devices and states again")
            self._publisher.resend()
        self._reporting.states(time.time(), self._decider.states())
        self._reporting.every_second(time.time(), mqtt_connected=self._publisher.connected)
        self._keeping.every_second(time.time())
        self._switches.save()

    def _advance(self, now: float) -> None:
        """Let time pass for cameras of which no frame comes, unless that says nothing of who is there."""
        inference = self._supervisor.children.get("inference")  # none where a stop cut a reload short
        hears = inference is not None and inference.heard and now - inference.heard_at <= BLIND_AFTER
        seeing = [camera for camera in self._cameras.names if hears and self._cameras.is_watching(camera)]
        under_way = [camera for camera, counts in self._cameras.counts().items() if counts.in_flight > 0]
        for camera, excused, until in self._sight.advance(now, seeing=seeing, under_way=under_way):
            if excused is not None:
                self._decider.excuse(camera, excused)
            self._report(self._decider.advance(camera, until))

    def _publish(self) -> None:
        self._reporting.remember()
        try:
            self._reporting.acknowledged(self._publisher.pump(time.time()))
        except StateError as error:
            self._reporting.state_failed(error)
        self._obey(self._publisher.commands())

    def _obey(self, commands: list[Command]) -> None:
        """The last valid word for each camera counts: a burst of ON and OFF must not keep the loop busy."""
        wanted: dict[str, bool] = {}
        for command in commands:
            if command.topic == self._reporting.birth_topic:
                if command.payload == ONLINE and self._resend_at is None:
                    self._resend_at = time.monotonic() + random.uniform(*BIRTH_DELAY)
            elif command.payload in (b"ON", b"OFF"):
                wanted[command.topic] = command.payload == b"ON"
            else:
                log.warning("%s: a command must be ON or OFF, not %.40r", command.topic, command.payload)
        for camera in self._cameras.names if wanted else ():
            if (on := wanted.get(self._topics.camera_enabled_set(camera))) is None:
                continue
            # Remembered also where nothing changes now, and where the daemon is about to stop.
            if self._switches.set(camera, on) and not self._stopping:
                self._switch(camera, on)

    def _switch(self, camera: str, on: bool) -> None:
        if self._ready:
            self._cameras.switch(camera, on, time.monotonic())
        if not on:
            self._telemetry.end_life(reader_name(camera))
            self._report(self._decider.flush(camera, time.time()))
            self._reporting.camera_changed(camera, up=False, reason=None)
        self._reporting.camera_switched(camera, on=on)

    def _report(self, events: list[Event]) -> None:
        if events:
            self._reporting.events(events, time.time())
            self._reporting.states(time.time(), self._decider.states())

    # -- the gallery

    def _embed(self, photos: list[dict[str, str]]) -> None:
        if photos:
            self._supervisor.send("inference", Message("embed", {"photos": photos}))

    def _swap_gallery(self) -> None:
        recognizer = self._gallery.finished()
        if recognizer is None:
            return
        self._reporting.gallery_changed(recognizer)
        self._decider.replace_recognizer(recognizer)
        if not self._ready:
            self._ready = True
            self._begin_cameras(self._cameras.names)
            systemd.notify(f"READY=1\nSTATUS=watching {len(self._cameras.names)} cameras")
            log.info("ready, watching %d cameras", len(self._cameras.names))

    def _begin_cameras(self, cameras: Iterable[str]) -> None:
        for camera in cameras:
            on = self._switches.is_on(camera)
            self._reporting.camera_switched(camera, on=on)
            if on:
                self._cameras.switch(camera, True, time.monotonic())

    # -- another configuration

    def _take_settings(self) -> None:
        """Take in the configuration as it is now, where asked to; one that cannot be used changes nothing."""
        if self._fatal is not None and self._last_engine is not None:
            self._go_back(self._fatal, self._last_engine)
        if not self.reloading or self._stopping:
            return
        self.reloading = False
        if self._ready:
            systemd.notify(systemd.reloading())
        new = self.reloader.read()
        if new is not None:
            self._change(new)
        if self._ready and self.successor is None:
            systemd.notify(f"READY=1\nSTATUS=watching {len(self._cameras.names)} cameras")

    def _change(self, new: Settings) -> None:
        old = self.reloader.settings
        different = changes(old, new)
        log.info("the configuration was read again: %s", different.told())
        if different.everything:
            self.successor = new
            self.stop_soon()
            return
        self._let_go(different)
        if self._stopping:
            return  # there is little time to stop in
        self._reporting.acknowledged(self.reloader.apply(new, different, time.monotonic()))
        if old.engine != new.engine and self._last_engine is None:
            self._last_engine = old  # the last that worked, however many are tried after it
        self._take_up(different)

    def _let_go(self, different: Changes) -> None:
        """What was seen so far is decided by the old rules; then the processes stop that are to be another way."""
        self._read_children(time.monotonic(), self._wait(0.0))
        for camera in (*different.removed, *different.scenes):
            self._report(self._decider.flush(camera, time.time()))
            self._sight.forget(camera)
            self._settled.pop(camera, None)
        for camera in different.readers:
            self._sight.lost(camera, time.monotonic())
            self._reporting.camera_changed(camera, up=False, reason=None)
        self._hear_out(self.reloader.release(different))
        self._sight.begin(different.scenes, time.monotonic())
        for camera in (*different.removed, *different.readers):
            self._telemetry.end_life(reader_name(camera))
        if different.inference:
            self._telemetry.end_life("inference")
            self._settled.clear()
            self._gallery.restarted()
            self._fatal = None  # said by the one that is gone
            self._loading_until = time.monotonic() + START_SILENCE

    def _take_up(self, different: Changes) -> None:
        if not self._ready:
            return  # all cameras begin once the gallery is there
        self._begin_cameras((*different.added, *different.readers))
        for camera in self._cameras.names:
            if self._cameras.is_enabled(camera) != (on := self._switches.is_on(camera)):
                self._switch(camera, on)

    def _go_back(self, why: str, before: Settings) -> None:
        """Networks that cannot be had are the end, unless there were others before a reload."""
        log.error("engine: not as the configuration now says: %s; going back to what it was", why)
        self._change(replace(self.reloader.settings, engine=before.engine))
        self._fatal = self._last_engine = None
        self._telemetry.config_read(taken=False)

    # -- health

    def judge(self) -> Verdict:
        """Whether frames reach decisions; may be asked from any thread."""
        return self._health.verdict(time.monotonic())

    def why_not_ready(self) -> str | None:
        """None once the networks and the gallery are loaded."""
        return None if self._ready else "the networks and the gallery are loading"

    # -- children

    def _child_died(self, child: Child) -> None:
        self._telemetry.end_life(child.name)
        self._telemetry.restarted(child.name)
        if child.name == "inference":
            self._settled.clear()
            self._gallery.interrupted()
            return
        camera = child.name.removeprefix("reader ")
        self._sight.lost(camera, time.monotonic())
        self._cameras.reader_died(camera)
        self._reporting.camera_changed(camera, up=False, reason=None)

    # -- the stop

    def _stop(self) -> None:
        self._stopping = True
        if self.successor is None:
            systemd.notify("STOPPING=1")
        log.info("stopping" if self.successor is None else "stopping, to begin again")
        self._cameras.stop()
        deadline = time.monotonic() + DRAIN
        while time.monotonic() < deadline and any(c.in_flight > 0 for c in self._cameras.counts().values()):
            self._read_children(time.monotonic(), self._wait(0.05))
        self._read_children(time.monotonic(), self._wait(0.0))
        self._hear_out(self._supervisor.remove(["inference"]))
        for camera in self._cameras.names:
            self._report(self._decider.flush(camera, time.time()))
        self._reporting.end(self._cameras.names, time.time())
        self._reporting.remember()
        self._reporting.acknowledged(self._publisher.stop(1.0))
        self._obey(self._publisher.commands())  # the last ones count too: they are remembered
        self._reporting.every_second(time.time(), mqtt_connected=False)
        log.info("stopped; %s", self._reporting.summary())

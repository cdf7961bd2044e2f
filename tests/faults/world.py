"""What is broken: two camera servers, a broker behind a proxy, a daemon, and what can be seen of how it is."""

import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from tests.faults.audit import Decided, Named, Stay
from tests.rigs.mosquitto import Mosquitto, Subscriber
from tests.rigs.proxy import Proxy
from tests.rigs.rtsp_server import RtspServer
from tests.rigs.small_disk import SmallDisk
from tests.system.daemon import Daemon, configuration

FPS = 15.0
_STORED = """
    SELECT event_id, visit_id, event_type, camera, person, stored_at, acknowledged_at FROM events ORDER BY position
"""
LOOK = 0.5
"""Seconds between two looks at what the cameras show."""
PASSWORD = "hunter2"
STATE_DISK, BROKER_DISK = 512, 8
"""Megabytes; converted networks are kept in the state folder too."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is shown again and again: somebody is there from one second of it to another."""

    file: Path
    other: Path
    """The same in another size."""
    recoded: Path
    """The same in another codec."""
    large: Path
    """The same in a size that needs far more memory."""
    person: str | None
    begin: float
    end: float


@dataclass(slots=True)
class Camera:
    """A camera, the server behind it, and when its clip showed somebody."""

    name: str
    server: str
    clip: Clip
    stays: list[tuple[float, float]] = field(default_factory=list)
    last_at: int = -1


class World:
    """Everything, running. `close` ends it by its own pids.

    Args:
        folder: For the daemon's files.
        faces: The gallery; copied, since faults write into it.
        clips: What the cameras show, by camera; two of them on each server.
        port: Of the daemon's HTTP server.
        engine: The configuration's section.
        disks: Put the daemon's state and what the broker keeps on small disks.

    Attributes:
        complaints: What went wrong in the course of a fault, for the auditor.
        guests: Other daemons that run at the moment.
        destroyed: Ids of events that waited in a database when it was damaged.
        broker_killed: When the broker was killed, UTC seconds.
    """

    def __init__(
        self,
        folder: Path,
        faces: Path,
        clips: dict[str, Clip],
        port: int,
        *,
        engine: dict[str, Any] | None = None,
        disks: bool = False,
    ) -> None:
        """Start the servers, then the daemon; returns when it is ready."""
        self.stack = ExitStack()
        self.folder, self.faces = folder, folder / "faces"
        shutil.copytree(faces, self.faces)
        self.lock = threading.RLock()
        names = list(clips)
        self.cameras = {name: Camera(name, f"server {index // 2}", clips[name]) for index, name in enumerate(names)}
        self.servers: dict[str, RtspServer] = {}
        self.hung: set[str] = set()
        self.complaints: list[str] = []
        self.guests: list[Daemon] = []
        self.destroyed: set[str] = set()
        self.broker_killed: list[float] = []
        self._known: dict[str, Decided] = {}
        self.state_disk: SmallDisk | None = None
        self.broker_disk: SmallDisk | None = None
        try:
            if disks:
                self.state_disk = self.stack.enter_context(SmallDisk(folder / "state", STATE_DISK))
                self.broker_disk = self.stack.enter_context(SmallDisk(folder / "broker", BROKER_DISK))
            kept = folder / "broker"
            kept.mkdir(exist_ok=True)
            self.broker = self.stack.enter_context(
                Mosquitto(users={"camwatch": PASSWORD, "reader": "pw"}, persistence=kept)
            )
            self.proxy = self.stack.enter_context(Proxy(self.broker.port))
            for server in {camera.server for camera in self.cameras.values()}:
                self.start_server(server)
            self.subscriber = self.stack.enter_context(
                Subscriber(self.broker, "camwatch/#", username="reader", password="pw", client_id="auditor")
            )
            sources = {
                name: {"source": self._url(camera), "stall_timeout": "2s", "motion": {"floor_fps": 2.0}}
                for name, camera in self.cameras.items()
            }
            self.config = configuration(folder, self.broker, self.faces, sources, port)
            self.config["mqtt"]["port"] = self.proxy.port
            self.config["engine"] = engine or {}
            self.daemon = Daemon(self.config, folder)
            self.daemon.wait_ready()
        except BaseException:
            self.close()
            raise
        self._ended = threading.Event()
        self._looker = threading.Thread(target=self._look, daemon=True)
        self._looker.start()

    @property
    def state(self) -> Path:
        """The daemon's state folder."""
        return Path(self.config["events"]["state"])

    @property
    def other_state(self) -> Path:
        """That of a second daemon with our node."""
        return self.folder / "same-node" / "state"

    def start_server(self, name: str, port: int = 0) -> None:
        """Start a camera server, again on its port after it was killed."""
        mounts = {f"/{camera.name}": camera.clip.file for camera in self.cameras.values() if camera.server == name}
        self.servers[name] = RtspServer(mounts, auth="digest", port=port)

    def command(self, camera: str, command: str, **arguments: Any) -> dict[str, Any]:
        """A command for the server of a camera."""
        with self.lock:
            return self.servers[self.cameras[camera].server].command(command, f"/{camera}", **arguments)

    def processes(self) -> list[psutil.Process]:
        """Main and its children."""
        with suppress(psutil.Error):
            return [psutil.Process(self.daemon.pid), *self.daemon.children()]
        return []

    def close(self) -> None:
        """End everything that runs."""
        if hasattr(self, "_ended"):
            self._ended.set()
            self._looker.join(5)
        for daemon in (*self.guests, *([self.daemon] if hasattr(self, "daemon") else [])):
            daemon.close()
        for server in self.servers.values():
            server.close()
        self.stack.close()

    # -- for the audit

    def remember(self) -> None:
        """Note every event that is on disk; before a database is damaged, and at the end."""
        for source, state in enumerate((self.state, self.other_state)):
            for file in sorted(state.glob("events.sqlite*"), key=lambda file: file.stat().st_mtime):
                if file.name.endswith(("-wal", "-shm", ".lock")):
                    continue
                with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                    for row in database.execute(_STORED):
                        self._known[row[0]] = Decided(*row, source)

    def decided(self) -> list[Decided]:
        """Every event that was on disk when it was last looked at, in order."""
        return list(self._known.values())

    def events(self) -> Iterator[dict[str, Any]]:
        """Every event that arrived, live and late, in order."""
        for message in self.subscriber.messages:
            if message.topic in ("camwatch/test/event", "camwatch/test/event/late"):
                yield json.loads(message.payload)

    def arrived(self) -> list[Decided]:
        """The same as the auditor wants it."""
        keys = ("event_id", "visit_id", "event_type", "camera", "person")
        return [Decided(*(event[key] for key in keys)) for event in self.events()]

    def named(self) -> list[Named]:
        """The decisions that arrived."""
        unique = {event["event_id"]: event for event in self.events()}
        last = {event["visit_id"]: _seconds(event["last_seen"]) for event in unique.values()}
        return [
            Named(event["camera"], event["person"], _seconds(event["first_seen"]), last[event["visit_id"]])
            for event in unique.values()
            if event["event_type"] != "ended"
        ]

    def told(self, topic: str) -> str | None:
        """What a subscriber last heard of a topic of ours."""
        payload = self.subscriber.last(f"camwatch/test/{topic}")
        return None if payload is None else payload.decode(errors="replace")

    def parts(self) -> list[str]:
        """Temporary files of ours that are there at the moment."""
        folders = (self.state, self.other_state, self.faces)
        return [str(file) for folder in folders for file in folder.rglob(".*.new")]

    def stays(self) -> list[Stay]:
        """What the cameras showed."""
        return [
            Stay(camera.name, camera.clip.person, *span) for camera in self.cameras.values() for span in camera.stays
        ]

    def _look(self) -> None:
        """Note when each camera shows somebody, by which picture its server sends next."""
        while not self._ended.wait(LOOK):
            for camera in self.cameras.values():
                if camera.server in self.hung:
                    continue  # it would not answer
                try:
                    at = int(self.command(camera.name, "stats")["at"])
                except (RuntimeError, OSError, ValueError):
                    continue  # it is being killed or started
                now, moved, camera.last_at = time.time(), at != camera.last_at, at
                if not moved or not camera.clip.begin <= at / FPS <= camera.clip.end:
                    continue
                if camera.stays and now - camera.stays[-1][1] < 3 * LOOK:
                    camera.stays[-1] = camera.stays[-1][0], now
                else:
                    camera.stays.append((now, now))

    def _url(self, camera: Camera) -> str:
        return self.servers[camera.server].url(f"/{camera.name}")


def _seconds(moment: str) -> float:
    """UTC seconds of a time in an event."""
    return datetime.fromisoformat(moment).timestamp()

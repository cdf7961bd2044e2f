"""What is broken: two camera servers, a broker, a daemon, and what can be seen of how it is."""

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
from tests.rigs.rtsp_server import RtspServer
from tests.system.daemon import Daemon, configuration

FPS = 15.0
LOOK = 0.5
"""Seconds between two looks at what the cameras show."""
PASSWORD = "hunter2"


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip that is shown again and again: somebody is there from one second of it to another."""

    file: Path
    other: Path
    """The same in another size."""
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
    """

    def __init__(
        self, folder: Path, faces: Path, clips: dict[str, Clip], port: int, engine: dict[str, Any] | None = None
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
        try:
            self.broker = self.stack.enter_context(
                Mosquitto(users={"camwatch": PASSWORD, "reader": "pw"}, persistence=True)
            )
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
        if hasattr(self, "daemon"):
            self.daemon.close()
        for server in self.servers.values():
            server.close()
        self.stack.close()

    # -- for the audit

    def decided(self) -> list[Decided]:
        """Every event on disk, in order; also of databases that were damaged and put aside, as far as they go."""
        found: dict[str, Decided] = {}
        files = sorted(self.state.glob("events.sqlite*"), key=lambda file: file.stat().st_mtime)
        for file in files:
            if file.name.endswith(("-wal", "-shm", ".lock")):
                continue
            with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
                rows = database.execute(
                    "SELECT event_id, visit_id, event_type, camera, person FROM events ORDER BY position"
                )
                for row in rows:
                    found.setdefault(row[0], Decided(*row))
        return list(found.values())

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
        unique = {event["event_id"]: event for event in self.events() if event["event_type"] != "ended"}
        return [Named(event["camera"], event["person"], _seconds(event["first_seen"])) for event in unique.values()]

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

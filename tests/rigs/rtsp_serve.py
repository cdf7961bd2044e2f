"""The server side of the RTSP test rig: files become cameras. Runs under the system's Python, which has PyGObject.

Nothing is decoded or encoded: the compressed pictures of each file are read into memory once and sent in real
time, with timestamps that go on rising from one round to the next. `rtsp_server.py` beside this file starts it and
talks to it.

Arguments: one JSON object,
    {"mounts": {"/front": {"file": "/clips/a.mp4", "once": false}}, "auth": null | "basic" | "digest",
     "user": "name:password", "tls": null | ["/certificate.pem", "/key.pem"], "transports": ["tcp", "udp"], "seed": 1,
     "port": 0}

First line on stdout: {"ok": true, "port": N, "mounts": {...}}; or {"ok": false, "error": "..."} and exit status 1.
Then one JSON object a line on stdin, one JSON object a line back on stdout; the end of stdin ends the server.
Commands, all but `quit` with "mount":
    stall            nothing more is sent, the connections stay open
    freeze           the last key picture is sent again and again
    corrupt  {"p"}   each picture is damaged with this probability
    drop     {"p"}   each picture is left out with this probability
    resume           ends all of these; after a stall the timestamps show the gap
    switch   {"file"}  goes on with another file, in the same connections: a change of resolution in mid-stream; where
                     the codec is another one, who watches gets pictures that are not what was agreed on, and who
                     comes anew gets the new codec
    jump     {"seconds"}  the timestamps leap, forwards or backwards, like a camera whose clock is set
    kick             closes the connections of this mount
    down / up        the mount answers 404 and its connections are closed / it is back, from the start of the file
    stats            only counts: pictures sent, which one of the clip comes next, clients connected
"""

import json
import os
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401
from rtsp_clips import Clip, RigError, read_clip  # noqa: E402

TICK_MS = 4
"""How often the sender looks whether pictures are due."""
ELEMENTS = ("parsebin", "appsrc", "appsink", "h264parse", "h265parse", "rtph264pay", "rtph265pay")


@dataclass
class Mount:
    """One camera: what it plays and what is wrong with it at the moment."""

    path: str
    clip: Clip
    once: bool
    dice: random.Random
    factory: Any = None
    stalled: bool = False
    frozen: bool = False
    corrupt: float = 0.0
    drop: float = 0.0
    sent: int = 0
    at: int = 0
    clients: "set[Any]" = field(default_factory=set)

    def well(self) -> None:
        """End all faults."""
        self.stalled = self.frozen = False
        self.corrupt = self.drop = 0.0

    def spoil(self, data: bytes) -> "bytes | None":
        """The picture as the faults leave it, None where it is lost."""
        if self.dice.random() < self.drop:
            return None
        if self.dice.random() < self.corrupt and len(data) > 64:
            damaged = bytearray(data)
            for _ in range(max(4, len(data) // 64)):  # the back three quarters: the headers stay readable
                damaged[self.dice.randrange(len(data) // 4, len(data))] = self.dice.randrange(256)
            return bytes(damaged)
        return data


class Play:
    """One run of a mount's clip into one prepared media; lives while somebody watches."""

    def __init__(self, mount: Mount, source: Any) -> None:
        """Start at the first picture, now."""
        self.mount, self.source, self.clip = mount, source, mount.clip
        self.start, self.base, self.next, self.key, self.repeats = time.monotonic_ns(), 0, 0, 0, 0
        self.stalled_at: int | None = None
        self.skew = 0
        self.over = False

    def push_due(self, now: int) -> bool:
        """Send what is due at this time of the monotonic clock (ns); False once the last picture is sent."""
        if self.mount.stalled:
            self.stalled_at = self.stalled_at or now
            return True
        if self.stalled_at is not None:
            self.base += now - self.stalled_at
            self.stalled_at = None
        while not self.over:
            if self.clip is not self.mount.clip:
                self.base, self.clip, self.next = self._due() - self.start, self.mount.clip, 0
            if self.next == len(self.clip.units):
                if self.mount.once:
                    self.over = True
                    return False
                self.base, self.next = self.base + self.clip.length, 0
            if self._due() > now:
                return True
            unit = self.clip.units[self.next]
            if self.mount.frozen:
                self._freeze()
            else:
                self.key = self.next if unit.key else self.key
                self.next += 1
                self._push(unit.data, self.base + unit.pts)
        return True

    def leap(self, by: int) -> None:
        """All further timestamps are so much later; the sinks must not wait for their times, as they do otherwise."""
        self.skew += by
        pipeline = self.source
        while pipeline.get_parent() is not None:
            pipeline = pipeline.get_parent()
        found = pipeline.iterate_sinks()
        while (step := found.next())[0] == Gst.IteratorResult.OK:
            step[1].set_property("sync", False)

    def _due(self) -> int:
        """When the next picture is to be sent, or the round is over."""
        left = self.next < len(self.clip.units)
        return self.start + self.base + (self.clip.units[self.next].due if left else self.clip.length)

    def _freeze(self) -> None:
        """Send the last key picture in the place of the next one; the clip waits behind it, the timestamps go on."""
        at, step = self._due(), self.clip.length // len(self.clip.units)
        self._push(self.clip.units[self.key].data, at - self.start)
        self.next = self.key + 1
        self.base += at + step - self._due()

    def _push(self, data: bytes, pts: int) -> None:
        spoilt = self.mount.spoil(data)
        if spoilt is None:
            return
        buffer = Gst.Buffer.new_wrapped(spoilt)
        buffer.pts = max(pts + self.skew, 0)
        if self.source.emit("push-buffer", buffer) == Gst.FlowReturn.OK:
            self.mount.sent += 1
            self.mount.at = self.next
        else:
            self.over = True


class Server:
    """All mounts behind one port of the loopback interface."""

    def __init__(self, arguments: "dict[str, Any]") -> None:
        """Read the files and listen."""
        self.loop = GLib.MainLoop()
        self.server = GstRtspServer.RTSPServer()
        self.server.set_address("127.0.0.1")
        self.server.set_service(str(arguments.get("port", 0)))
        self.points = self.server.get_mount_points()
        self.role = "viewer" if arguments.get("auth") or arguments.get("tls") else None
        if self.role:
            self._require(arguments.get("auth"), *arguments["user"].split(":", 1), tls=arguments.get("tls"))
        self.transports = GstRtsp.RTSPLowerTrans(0)
        for name in arguments.get("transports") or ("tcp", "udp"):
            self.transports |= getattr(GstRtsp.RTSPLowerTrans, name.upper())
        self.mounts: dict[str, Mount] = {}
        for path, about in arguments["mounts"].items():
            dice = random.Random(f"{arguments.get('seed', 1)} {path}")
            self.mounts[path] = Mount(path, read_clip(about["file"]), bool(about.get("once")), dice)
            self._up(self.mounts[path])
        self.plays: list[Play] = []
        self.server.connect("client-connected", self._connected)
        if not self.server.attach(None):
            raise RigError("cannot listen on the loopback interface")
        GLib.timeout_add(TICK_MS, self._tick)
        pool = self.server.get_session_pool()
        GLib.timeout_add_seconds(2, lambda: pool.cleanup() or True)  # forget viewers that vanished without a word
        self._unread = b""
        GLib.io_add_watch(0, GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, self._readable)

    def _require(self, method: "str | None", user: str, password: str, *, tls: "list[str] | None") -> None:
        guard, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", self.role)
        if tls:
            if not Gio.TlsBackend.get_default().supports_tls():
                raise RigError("GLib cannot encrypt here; install with apt-get: glib-networking")
            guard.set_tls_certificate(Gio.TlsCertificate.new_from_files(*tls))
        if method is None:
            guard.set_default_token(token)
        elif method == "digest":
            guard.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            guard.add_digest(user, password, token)
        else:
            guard.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            guard.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
        self.server.set_auth(guard)

    def _up(self, mount: Mount) -> None:
        codec = mount.clip.codec
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(
            "( appsrc name=source is-live=true format=time block=false max-bytes=0"
            f" caps=video/x-{codec},stream-format=byte-stream,alignment=au"
            f" ! rtp{codec}pay name=pay0 pt=96 )"
        )
        factory.set_shared(True)
        factory.set_latency(0)
        factory.set_protocols(self.transports)
        if self.role:
            allowed = GstRtspServer.RTSPPermissions()
            for permission in ("media.factory.access", "media.factory.construct"):
                allowed.add_permission_for_role(self.role, permission, True)
            factory.set_permissions(allowed)
        factory.connect("media-configure", self._configure, mount)
        mount.factory = factory
        self.points.add_factory(mount.path, factory)

    def _down(self, mount: Mount) -> int:
        if mount.factory is not None:
            self.points.remove_factory(mount.path)
            mount.factory = None
        return self._kick(mount)

    def _kick(self, mount: Mount) -> int:
        clients = list(mount.clients)
        for client in clients:
            client.close()
        return len(clients)

    def _connected(self, _server: Any, client: Any) -> None:
        def watches(_client: Any, context: Any) -> None:
            path = context.uri.abspath
            for mount in self.mounts.values():
                if path == mount.path or path.startswith(mount.path + "/"):
                    mount.clients.add(client)

        def closed(_client: Any) -> None:
            for mount in self.mounts.values():
                mount.clients.discard(client)

        client.connect("play-request", watches)
        client.connect("closed", closed)

    def _configure(self, _factory: Any, media: Any, mount: Mount) -> None:
        play = Play(mount, media.get_element().get_child_by_name("source"))
        media.connect("unprepared", lambda _media: GLib.idle_add(self._forget, play))
        GLib.idle_add(self.plays.append, play)  # this is a thread of the server's pool

    def _forget(self, play: Play) -> None:
        if play in self.plays:
            self.plays.remove(play)

    def _tick(self) -> bool:
        now = time.monotonic_ns()
        for play in list(self.plays):
            if not play.push_due(now):
                play.source.emit("end-of-stream")
                GLib.timeout_add(200, lambda mount=play.mount: self._down(mount) and False)  # after the last packets
            if play.over:
                self._forget(play)
        return True

    def _readable(self, _source: int, condition: int) -> bool:
        chunk = os.read(0, 65536) if condition & GLib.IO_IN else b""
        if not chunk:
            self.loop.quit()  # whoever started us is gone
            return False
        *lines, self._unread = (self._unread + chunk).split(b"\n")
        for line in lines:
            try:
                say(ok=True, **self.obey(json.loads(line)))
            except (RigError, KeyError, ValueError) as error:
                say(ok=False, error=f"{type(error).__name__}: {error}")
        return True

    def obey(self, order: "dict[str, Any]") -> "dict[str, Any]":
        """Carry out one command and tell what came of it."""
        what = order["cmd"]
        if what == "quit":
            self.loop.quit()
            return {}
        mount = self.mounts[order["mount"]]
        told: dict[str, Any] = {}
        if what == "stall":
            mount.stalled = True
        elif what == "freeze":
            mount.frozen = True
        elif what in ("corrupt", "drop"):
            setattr(mount, what, float(order.get("p", 0.3)))
        elif what == "resume":
            mount.well()
        elif what == "switch":
            before, mount.clip = mount.clip, read_clip(order["file"])
            if mount.clip.codec != before.codec and mount.factory is not None:
                self.points.remove_factory(mount.path)
                self._up(mount)
        elif what == "jump":
            for play in [each for each in self.plays if each.mount is mount]:
                play.leap(round(float(order["seconds"]) * Gst.SECOND))
        elif what == "kick":
            told["kicked"] = self._kick(mount)
        elif what == "down":
            told["kicked"] = self._down(mount)
        elif what == "up":
            if mount.factory is None:
                self._up(mount)
        elif what != "stats":
            raise RigError(f"no such command: {what}")
        return {"cmd": what, "sent": mount.sent, "at": mount.at, "clients": len(mount.clients), **told}


def say(**told: Any) -> None:
    """One line of JSON to whoever started us."""
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Serve until told to stop."""
    Gst.init(None)
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        say(ok=False, error=f"GStreamer elements are missing: {' '.join(missing)}")
        return 1
    if sys.argv[1:] == ["--check"]:
        say(ok=True)
        return 0
    try:
        server = Server(json.loads(sys.argv[1]))
    except RigError as error:
        say(ok=False, error=str(error))
        return 1
    clips = {
        path: {"codec": mount.clip.codec, "pictures": len(mount.clip.units)} for path, mount in server.mounts.items()
    }
    say(ok=True, port=server.server.get_bound_port(), mounts=clips)
    server.loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())

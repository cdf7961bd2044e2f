"""The faults: how each is done, how it goes away, and what has to be well again after it."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import yaml

from tests.faults.world import PASSWORD, World

Undo = Callable[[], object]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind.

    Attributes:
        name: For the table.
        target: `camera`, `server`, `inference`, `broker`, `gallery`, `config`, or `all` where nothing else may be
            broken at the same time.
        do: Breaks it; given the world, the name of the camera or server, and dice. Returns what mends it.
        lasts: Seconds until it is mended, from and to.
        weight: How often it is drawn, against others.
    """

    name: str
    target: str
    do: Callable[[World, str, random.Random], Undo]
    lasts: tuple[float, float] = (0.0, 0.0)
    weight: float = 1.0


@dataclass(slots=True)
class Injected:
    """One fault that was done.

    Attributes:
        begin: When it was done (monotonic seconds, and UTC).
        mended: When its cause went away, monotonic.
        recovered: Seconds from then until all was well again; None where it never was.
    """

    fault: Fault
    where: str
    begin: float
    begin_utc: float
    undo: Undo
    until: float
    mended: float | None = None
    mended_figures: Figures = field(default_factory=dict)
    recovered: float | None = None
    end_utc: float | None = None


def nothing() -> None:
    """Some faults go away by themselves."""


def _child(world: World, words: str) -> psutil.Process | None:
    for process in world.processes()[1:]:
        with suppress(psutil.Error):
            if words in " ".join(process.cmdline()):
                return process
    return None


def _kill(process: psutil.Process | None) -> None:
    if process is not None:
        with suppress(psutil.Error):
            process.kill()


def _stop(process: psutil.Process | None) -> Undo:
    if process is None:
        return nothing
    with suppress(psutil.Error):
        process.suspend()
    return lambda: _continue([process])


def _continue(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.resume()


def reader_kill(world: World, camera: str, dice: random.Random) -> Undo:
    """Ended without a word."""
    _kill(world.daemon.reader(camera))
    return nothing


def reader_stop(world: World, camera: str, dice: random.Random) -> Undo:
    """It hangs, then goes on, or was aborted meanwhile."""
    return _stop(world.daemon.reader(camera))


def inference_kill(world: World, where: str, dice: random.Random) -> Undo:
    """Ended without a word, as by the kernel when memory is short."""
    _kill(_child(world, "inference_main"))
    return nothing


def inference_stop(world: World, where: str, dice: random.Random) -> Undo:
    """It hangs, then goes on, or was aborted meanwhile."""
    return _stop(_child(world, "inference_main"))


def inference_without_memory(world: World, where: str, dice: random.Random) -> Undo:
    """No byte more for it: the next batch fails, and the next."""
    process = _child(world, "inference_main")
    if process is None:
        return nothing
    with suppress(psutil.Error):
        process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms, psutil.RLIM_INFINITY))
    return lambda: _unlimited(process, psutil.RLIMIT_AS)


def descriptors(world: World, where: str, dice: random.Random) -> Undo:
    """Main may open no further file."""
    main = psutil.Process(world.daemon.pid)
    before = main.rlimit(psutil.RLIMIT_NOFILE)
    main.rlimit(psutil.RLIMIT_NOFILE, (main.num_fds(), before[1]))
    return lambda: main.rlimit(psutil.RLIMIT_NOFILE, before)


def _unlimited(process: psutil.Process, what: int) -> None:
    with suppress(psutil.Error):
        process.rlimit(what, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


def main_kill(world: World, where: str, dice: random.Random) -> Undo:
    """Ended without a word; the service manager starts it again."""
    children = world.processes()[1:]
    world.daemon.signal(signal.SIGKILL)
    psutil.wait_procs(children, timeout=5)
    return world.daemon.start


def main_stop(world: World, where: str, dice: random.Random) -> Undo:
    """An orderly restart."""
    world.daemon.stop()
    return world.daemon.start


def host_suspended(world: World, where: str, dice: random.Random) -> Undo:
    """Everything of ours stands still, then goes on."""
    processes = world.processes()
    for process in processes:
        with suppress(psutil.Error):
            process.suspend()
    return lambda: _continue(processes)


def database_damaged(world: World, where: str, dice: random.Random) -> Undo:
    """Killed, and the first page of the database is overwritten before it is started again."""
    main_kill(world, where, dice)
    file = world.state / "events.sqlite"

    def damage_and_start() -> None:
        for left in ("-wal", "-shm"):
            file.with_name(file.name + left).unlink(missing_ok=True)
        with file.open("r+b") as opened:
            opened.write(dice.randbytes(4096))
        world.daemon.start()

    return damage_and_start


def second_daemon(world: World, where: str, dice: random.Random) -> Undo:
    """The same service started once more by hand: it must go away again and do no harm."""
    other = world.folder / "second.yml"
    config = json.loads(json.dumps(world.config))
    config["http"]["port"] += 1
    other.write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "camwatch", "run", str(other)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr, done.stderr
    return nothing


def broker_stop(world: World, where: str, dice: random.Random) -> Undo:
    """An orderly stop, a start some time later."""
    world.broker.stop()
    return world.broker.start


def broker_hang(world: World, where: str, dice: random.Random) -> Undo:
    """Connections stay, nothing is answered."""
    world.broker.suspend()
    return world.broker.resume


def wrong_password(world: World, where: str, dice: random.Random) -> Undo:
    """The configuration is read again with a wrong password, later with the right one."""
    world.config["mqtt"]["password"] = "battery-staple"
    _reload(world)

    def right() -> None:
        world.config["mqtt"]["password"] = PASSWORD
        _reload(world)

    return right


def wrong_config(world: World, where: str, dice: random.Random) -> Undo:
    """The configuration is damaged and read again; then it is right and read again."""
    world.daemon.config.write_text("mqtt: [\n")
    world.daemon.signal(signal.SIGHUP)
    return lambda: _reload(world)


def other_rate(world: World, camera: str, dice: random.Random) -> Undo:
    """One camera is to be read at another rate: its reader starts anew."""
    world.config["cameras"][camera]["fps"] = dice.choice([4, 5, 6])
    _reload(world)
    return nothing


def _reload(world: World) -> None:
    world.daemon.config.write_text(yaml.safe_dump(world.config))
    world.daemon.signal(signal.SIGHUP)


def cache_damaged(world: World, where: str, dice: random.Random) -> Undo:
    """The file of embeddings is overwritten, and a photo touched so that it is looked at."""
    cache = world.faces / ".embeddings.npz"
    if cache.exists():
        cache.write_bytes(dice.randbytes(2000))
    next(world.faces.glob("*/*.png")).touch()
    return nothing


def photo_damaged(world: World, where: str, dice: random.Random) -> Undo:
    """A photo is being rewritten: half of it is there, later all."""
    photo = dice.choice(sorted(world.faces.glob("*/*.png")))
    whole = photo.read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    return lambda: photo.write_bytes(whole)


def server_kill(world: World, server: str, dice: random.Random) -> Undo:
    """A power cut of two cameras."""
    with world.lock:
        port = world.servers[server].port
        world.servers[server].kill()

    def again() -> None:
        with world.lock:
            world.servers[server].close()
            world.start_server(server, port)

    return again


def server_hang(world: World, server: str, dice: random.Random) -> Undo:
    """Two cameras hang: connections stay, nothing is sent or answered."""
    with world.lock:
        world.hung.add(server)
        world.servers[server].suspend()

    def wake() -> None:
        with world.lock:
            world.servers[server].wake()
            world.hung.discard(server)

    return wake


def _command(command: str, undo: str | None = None, **arguments: Any) -> Callable[[World, str, random.Random], Undo]:
    def do(world: World, camera: str, dice: random.Random) -> Undo:
        world.command(camera, command, **arguments)
        return nothing if undo is None else lambda: world.command(camera, undo)

    return do


def other_size(world: World, camera: str, dice: random.Random) -> Undo:
    """The stream goes on in another size, later in the first one."""
    clip = world.cameras[camera].clip
    world.command(camera, "switch", file=clip.other)
    return lambda: world.command(camera, "switch", file=clip.file)


FAULTS = (
    Fault("reader killed", "camera", reader_kill, weight=6),
    Fault("reader stopped", "camera", reader_stop, (2, 6), weight=3),
    Fault("camera stalls", "camera", _command("stall", "resume"), (1, 6), weight=5),
    Fault("camera freezes", "camera", _command("freeze", "resume"), (1, 6), weight=4),
    Fault("packets damaged", "camera", _command("corrupt", "resume", p=0.3), (2, 6), weight=4),
    Fault("packets lost", "camera", _command("drop", "resume", p=0.3), (2, 6), weight=4),
    Fault("connection reset", "camera", _command("kick"), weight=5),
    Fault("camera away", "camera", _command("down", "up"), (1, 5), weight=5),
    Fault("another size", "camera", other_size, (2, 6), weight=4),
    Fault("another rate, reload", "camera", other_rate, weight=3),
    Fault("camera server killed", "server", server_kill, (1, 5), weight=3),
    Fault("camera server hangs", "server", server_hang, (1, 6), weight=3),
    Fault("inference killed", "inference", inference_kill, weight=4),
    Fault("inference stopped", "inference", inference_stop, (2, 6), weight=2),
    Fault("inference without memory", "inference", inference_without_memory, (2, 6), weight=2),
    Fault("broker restarted", "broker", broker_stop, (0, 8), weight=4),
    Fault("broker hangs", "broker", broker_hang, (1, 8), weight=3),
    Fault("wrong password", "broker", wrong_password, (1, 5), weight=2),
    Fault("damaged configuration", "config", wrong_config, (0, 2), weight=2),
    Fault("damaged embeddings", "gallery", cache_damaged, weight=3),
    Fault("photo half written", "gallery", photo_damaged, (1, 5), weight=3),
    Fault("second daemon", "config", second_daemon, weight=1),
    Fault("no descriptors", "all", descriptors, (2, 6), weight=1),
    Fault("main killed", "all", main_kill, (0.2, 2), weight=2),
    Fault("main restarted", "all", main_stop, (0.2, 2), weight=1),
    Fault("database damaged", "all", database_damaged, (0.2, 1), weight=1),
    Fault("host suspended", "all", host_suspended, (1, 20), weight=1),
)
"""All kinds."""

"""Faults of the broker, the disks, and the files that people write: configuration and gallery."""

import random
import signal
import threading
import time
from pathlib import Path

import yaml

from tests.faults.fault import Cure
from tests.faults.processes import main_kill
from tests.faults.world import PASSWORD, World

PIECES = 8
"""Parts in which a photo is rewritten slowly."""


def broker_stop(world: World, where: str, dice: random.Random) -> Cure:
    """An orderly stop, a start some time later."""
    world.broker.stop()
    return Cure(world.broker.start)


def broker_kill(world: World, where: str, dice: random.Random) -> Cure:
    """Ended without a word; it comes back with what it had saved."""
    world.broker_killed.append(time.time())
    world.broker.kill()
    return Cure(world.broker.start)


def broker_hang(world: World, where: str, dice: random.Random) -> Cure:
    """Connections stay, nothing is answered."""
    world.broker.suspend()
    return Cure(world.broker.resume)


def half_open(world: World, where: str, dice: random.Random) -> Cure:
    """The broker has left our connection and we are not told: what we send goes nowhere. New connections work."""
    world.proxy.half_open()
    return Cure()


def broker_disk_full(world: World, where: str, dice: random.Random) -> Cure:
    """The broker cannot save."""
    assert world.broker_disk is not None
    disk = world.broker_disk
    disk.fill()

    def free() -> None:
        disk.free()
        world.broker.save()

    return Cure(free)


def wrong_password(world: World, where: str, dice: random.Random) -> Cure:
    """The configuration is read again with a wrong password, later with the right one."""
    world.config["mqtt"]["password"] = "battery-staple"
    _reload(world)

    def right() -> None:
        world.config["mqtt"]["password"] = PASSWORD
        _reload(world)

    return Cure(right)


def wrong_config(world: World, where: str, dice: random.Random) -> Cure:
    """The configuration is damaged and read again; then it is right and read again."""
    world.daemon.config.write_text("mqtt: [\n")
    world.daemon.signal(signal.SIGHUP)
    return Cure(lambda: _reload(world))


def other_rate(world: World, camera: str, dice: random.Random) -> Cure:
    """One camera is to be read at another rate: its reader starts anew."""
    rates = [rate for rate in (4, 5, 6) if rate != world.config["cameras"][camera].get("fps", 5)]
    world.config["cameras"][camera]["fps"] = dice.choice(rates)
    _reload(world)
    return Cure()


def _reload(world: World) -> None:
    world.daemon.config.write_text(yaml.safe_dump(world.config))
    world.daemon.signal(signal.SIGHUP)


def state_disk_full(world: World, where: str, dice: random.Random) -> Cure:
    """No room for the outbox: what is decided waits in memory."""
    assert world.state_disk is not None
    world.state_disk.fill()
    return Cure(world.state_disk.free)


def database_damaged(world: World, where: str, dice: random.Random) -> Cure:
    """Main is killed, and the first page of its database is overwritten before it is started again."""
    main_kill(world, where, dice)
    world.remember()
    world.destroyed.update(one.event_id for one in world.decided() if one.acknowledged_at is None)
    file = world.state / "events.sqlite"

    def damage_and_start() -> None:
        for left in ("-wal", "-shm"):
            file.with_name(file.name + left).unlink(missing_ok=True)
        with file.open("r+b") as opened:
            opened.write(dice.randbytes(4096))
        world.daemon.start()

    return Cure(damage_and_start)


def cache_damaged(world: World, where: str, dice: random.Random) -> Cure:
    """The file of embeddings is overwritten, and a photo touched so that it is looked at."""
    cache = world.faces / ".embeddings.npz"
    if cache.exists():
        cache.write_bytes(dice.randbytes(2000))
    next(world.faces.glob("*/*.png")).touch()
    return Cure()


def photo_damaged(world: World, where: str, dice: random.Random) -> Cure:
    """Half of a photo is there, later all of it."""
    photo = _photo(world, dice)
    whole = photo.read_bytes()
    photo.write_bytes(whole[: len(whole) // 2])
    return Cure(lambda: photo.write_bytes(whole))


def photo_rewritten(world: World, where: str, dice: random.Random) -> Cure:
    """A photo is written anew in its place, slowly, in pieces, as by a copy over a bad network."""
    photo = _photo(world, dice)
    whole = photo.read_bytes()
    piece = -(-len(whole) // PIECES)

    def write() -> None:
        with photo.open("wb") as file:
            for begin in range(0, len(whole), piece):
                file.write(whole[begin : begin + piece])
                file.flush()
                time.sleep(0.5)

    writer = threading.Thread(target=write)
    writer.start()
    return Cure(writer.join)


def _photo(world: World, dice: random.Random) -> Path:
    return dice.choice(sorted(world.faces.glob("*/*.png")))

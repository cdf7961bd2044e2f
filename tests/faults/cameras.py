"""Faults of cameras and of the servers behind them."""

import random
from collections.abc import Callable
from typing import Any

from tests.faults.fault import Cure, nothing
from tests.faults.world import World

LEAPS = (-86400.0, -3600.0, -2.0, 2.0, 30.0, 3600.0, 86400.0)
"""Seconds by which a camera's clock is set."""


def command(what: str, undo: str | None = None, **arguments: Any) -> Callable[[World, str, random.Random], Cure]:
    """A fault that the camera server does on command, and the command that ends it."""

    def do(world: World, camera: str, dice: random.Random) -> Cure:
        world.command(camera, what, **arguments)
        return Cure(nothing if undo is None else lambda: world.command(camera, undo))

    return do


def other_size(world: World, camera: str, dice: random.Random) -> Cure:
    """The stream goes on in another size, later in the first one."""
    clip = world.cameras[camera].clip
    world.command(camera, "switch", file=clip.other)
    return Cure(lambda: world.command(camera, "switch", file=clip.file))


def other_codec(world: World, camera: str, dice: random.Random) -> Cure:
    """H.265 in a connection that was promised H.264; later the other way round."""
    clip = world.cameras[camera].clip
    world.command(camera, "switch", file=clip.recoded)
    return Cure(lambda: world.command(camera, "switch", file=clip.file))


def clock_set(world: World, camera: str, dice: random.Random) -> Cure:
    """The timestamps of the pictures leap."""
    world.command(camera, "jump", seconds=dice.choice(LEAPS))
    return Cure()


def server_kill(world: World, server: str, dice: random.Random) -> Cure:
    """A power cut of two cameras."""
    with world.lock:
        port = world.servers[server].port
        world.servers[server].kill()

    def again() -> None:
        with world.lock:
            world.servers[server].close()
            world.start_server(server, port)

    return Cure(again)


def server_hang(world: World, server: str, dice: random.Random) -> Cure:
    """Two cameras hang: connections stay, nothing is sent or answered."""
    with world.lock:
        world.hung.add(server)
        world.servers[server].suspend()

    def wake() -> None:
        with world.lock:
            world.servers[server].wake()
            world.hung.discard(server)

    return Cure(wake)

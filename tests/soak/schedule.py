"""What happens during the soak: the ordinary trouble of a house, in turns."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

from tests.faults.world import World

Deed = tuple[str, Callable[[], object]]


class Trouble:
    """A round of deeds, one after the other, for ever: each undoes what it did with its next turn.

    Args:
        world: Where it happens.
        photos: Of somebody who is enrolled and forgotten in turns.
    """

    def __init__(self, world: World, photos: Sequence[Path]) -> None:
        """Nothing has happened yet."""
        self._world = world
        self._photos = photos
        self._cameras = cycle(sorted(world.cameras))
        self._deeds = self._rounds()

    def next(self) -> str:
        """Do the next deed; what it was."""
        name, do = next(self._deeds)
        do()
        return name

    def _rounds(self) -> Iterator[Deed]:
        world, other = self._world, self._world.folder / "faces" / "Kim"
        while True:
            camera = next(self._cameras)
            yield f"{camera}: connection reset", partial(world.command, camera, "kick")
            yield "Kim is enrolled", partial(self._enroll, other)
            yield "broker restarted", self._restart_broker
            yield f"{camera}: away", partial(world.command, camera, "down")
            yield f"{camera}: there again", partial(world.command, camera, "up")
            yield "Kim is forgotten", partial(shutil.rmtree, other)
            yield f"{camera}: switched off", partial(self._switch, camera, b"OFF")
            yield f"{camera}: switched on", partial(self._switch, camera, b"ON")

    def _enroll(self, folder: Path) -> None:
        folder.mkdir()
        for photo in self._photos:
            shutil.copy(photo, folder)

    def _restart_broker(self) -> None:
        self._world.broker.stop()
        self._world.broker.start()

    def _switch(self, camera: str, word: bytes) -> None:
        self._world.subscriber.publish(f"camwatch/test/camera/{camera}/enabled/set", word)

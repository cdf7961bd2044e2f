"""Which cameras are switched on: the configuration, then what somebody said over MQTT, remembered over restarts."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from camwatch.files import from_json, write_whole

log = logging.getLogger(__name__)

VERSION = 1
SWITCHES_FILE = "switches.json"
"""Name of the file within the state directory."""


class Switches:
    """The privacy switches. A camera that somebody switched off stays off, whatever restarts.

    Args:
        path: JSON file, `{"version": 1, "cameras": {"front_door": false}}`.
        cameras: The configured cameras, and whether each is on where nobody said otherwise.
    """

    def __init__(self, path: Path, cameras: Mapping[str, bool]) -> None:
        """Read what was said before; a damaged file is told of, and every camera in doubt stays off."""
        self._path = path
        self._configured = dict(cameras)
        self._said: dict[str, bool] = {}
        self._in_doubt = self._unsaved = False
        try:
            stored = from_json(path.read_text(encoding="utf-8"))
            if stored["version"] != VERSION:
                raise ValueError(f"version {stored['version']}, not {VERSION}")
            said = {str(name): on for name, on in stored["cameras"].items()}
            if not all(isinstance(on, bool) for on in said.values()):
                raise ValueError("a switch that is neither true nor false")
            self._said = said
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.error("%s is damaged (%s): all cameras stay off until they are switched on again", path, error)
            self._in_doubt = True
            self.configure(cameras)

    def configure(self, cameras: Mapping[str, bool]) -> None:
        """The configuration has changed; what somebody said goes before it all the same."""
        self._configured = dict(cameras)
        for camera in cameras if self._in_doubt else ():
            self._said.setdefault(camera, False)

    def is_on(self, camera: str) -> bool:
        """Whether the camera is to be read."""
        return self._said.get(camera, self._configured[camera])

    @property
    def said(self) -> Mapping[str, bool]:
        """What somebody said, by camera; of cameras that are not configured too."""
        return dict(self._said)

    def take_over(self, said: Mapping[str, bool]) -> None:
        """What the daemon before this one knew; it goes before what is in the file."""
        if any(self._said.get(camera) != on for camera, on in said.items()):
            self._said.update(said)
            self._unsaved = True
            self.save()

    def set(self, camera: str, on: bool) -> bool:
        """Remember a command, if it is a new one; the file is written whole or not at all.

        Returns:
            Whether the camera was the other way before.
        """
        before = self.is_on(camera)
        if self._said.get(camera) == on:
            return False
        self._said[camera] = on
        first = not self._unsaved
        self._unsaved = True
        if (error := self.save()) is not None and first:
            log.error("%s: the switch of %s will not outlast a restart yet: %s", self._path, camera, error)
        return before != on

    def save(self) -> str | None:
        """Write what is not on disk yet, if anything; why that cannot be done, or None."""
        if not self._unsaved:
            return None
        text = json.dumps({"version": VERSION, "cameras": self._said}, indent=1, sort_keys=True)
        try:
            write_whole(self._path, text.encode() + b"\n")
        except OSError as error:
            return str(error.strerror)
        self._unsaved = False
        return None

"""Everything camwatch raises on purpose, by cause.

CamwatchError
├── InputError                what the user gave is wrong; the process exits with 2
│   ├── ConfigError           the configuration file (may list several problems)
│   ├── PhotoError            a photo or a folder of photos
│   │   └── UnknownPerson     nobody in the gallery has this name
│   ├── WeightsError          a file of network weights
│   └── ModelError            a trained recognizer file
├── SourceError               a camera or recording
│   ├── SourceUnavailable     cannot be reached now, may come back: retry
│   ├── SourceLost            was delivering and stopped: reconnect
│   └── SourceRefused         retrying soon cannot cure it: wrong password, unknown path, no such file
├── StateError                the state directory or its database
│   └── StateInUse            another process has it
└── DeliveryError             the broker refused us or our messages
"""

import errno
import re

_NO_FAULT_OF_THE_USER = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN)
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def one_line(text: str) -> str:
    """Text fit for a message, whatever file name is in it.

    What would break the line, steer a terminal, turn the writing around or cannot be encoded becomes an escape such as
    `\\n`.
    """
    return _UNFIT.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


class CamwatchError(Exception):
    """Base of all errors raised on purpose. The message is one line, fit to be shown to the user.

    Args:
        lines: The message; only `ConfigError` has several lines.
    """

    def __init__(self, *lines: str) -> None:
        """Keep the message."""
        super().__init__("\n".join(map(one_line, lines)))


class InputError(CamwatchError):
    """What the user gave is wrong and only the user can mend it."""

    @property
    def failed(self) -> bool:
        """Whether it was not the user after all: its cause is a disk that is full or broken, or a file in use."""
        return isinstance(self.__cause__, OSError) and self.__cause__.errno in _NO_FAULT_OF_THE_USER


class ConfigError(InputError):
    """The configuration is wrong.

    Args:
        problems: One line for each problem, `FILE:LINE: key.path: what is wrong, what would be right`.
    """

    def __init__(self, *problems: str) -> None:
        """Keep all problems, so that they are reported at once."""
        super().__init__(*problems)
        self.problems = tuple(map(one_line, problems))


class PhotoError(InputError):
    """A photo, or a folder of photos, cannot be used."""


class UnknownPerson(PhotoError):
    """Nobody in the gallery has this name."""


class WeightsError(InputError):
    """A file of network weights is missing, damaged or not the one expected."""


class ModelError(InputError):
    """A trained recognizer file is missing, damaged or from another version."""


class SourceError(CamwatchError):
    """A camera or recording cannot be read.

    Args:
        message: One line without credentials.
        reason: A short word from a fixed set, used as a metric label: `timeout`, `refused`, `unauthorized`,
            `certificate`, `not_found`, `ended`, `invalid`, `network`.
    """

    def __init__(self, message: str, reason: str) -> None:
        """Keep the reason beside the message."""
        super().__init__(message)
        self.reason = reason


class SourceUnavailable(SourceError):
    """The source cannot be reached now; it may come back."""


class SourceLost(SourceError):
    """The source was delivering pictures and stopped."""


class SourceRefused(SourceError):
    """The source said no; asking again soon will not change the answer."""


class StateError(CamwatchError):
    """The state directory or its database cannot be used.

    Args:
        lines: As of `CamwatchError`.
        full: The disk has no place left.
    """

    def __init__(self, *lines: str, full: bool = False) -> None:
        """Keep both."""
        super().__init__(*lines)
        self.full = full


class StateInUse(StateError):
    """Another process has the state directory: a daemon runs on it."""


class DeliveryError(CamwatchError):
    """The broker refused the connection or a message."""

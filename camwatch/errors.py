"""Everything camwatch raises on purpose, by cause.

CamwatchError
├── InputError                what the user gave is wrong; the process exits with 2
│   ├── ConfigError           the configuration file (may list several problems)
│   ├── PhotoError            a photo or a folder of photos
│   ├── WeightsError          a file of network weights
│   └── ModelError            a trained recognizer file
├── SourceError               a camera or recording
│   ├── SourceUnavailable     cannot be reached now, may come back: retry
│   ├── SourceLost            was delivering and stopped: reconnect
│   └── SourceRefused         retrying soon cannot cure it: wrong password, unknown path, no such file
├── StateError                the state directory or its database
└── DeliveryError             the broker refused us or our messages
"""


class CamwatchError(Exception):
    """Base of all errors raised on purpose. The message is one line, fit to be shown to the user."""


class InputError(CamwatchError):
    """What the user gave is wrong and only the user can mend it."""


class ConfigError(InputError):
    """The configuration is wrong.

    Args:
        problems: One line for each problem, `FILE:LINE: key.path: what is wrong, what would be right`.
    """

    def __init__(self, *problems: str) -> None:
        """Keep all problems, so that they are reported at once."""
        super().__init__("\n".join(problems))
        self.problems = problems


class PhotoError(InputError):
    """A photo, or a folder of photos, cannot be used."""


class WeightsError(InputError):
    """A file of network weights is missing, damaged or not the one expected."""


class ModelError(InputError):
    """A trained recognizer file is missing, damaged or from another version."""


class SourceError(CamwatchError):
    """A camera or recording cannot be read.

    Args:
        message: One line without credentials.
        reason: A short word from a fixed set, used as a metric label: `timeout`, `refused`, `unauthorized`,
            `not_found`, `ended`, `invalid`, `network`.
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
    """The state directory or its database cannot be used."""


class DeliveryError(CamwatchError):
    """The broker refused the connection or a message."""

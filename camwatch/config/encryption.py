"""What all sections have in common, and the two that say whose certificate is believed: of the broker, of a camera."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_validator

from camwatch.capture.trust import Trust
from camwatch.config.fields import Place, Switch, problem
from camwatch.config.values import HOST

_Switch = Annotated[bool, Switch()]
_File = Annotated[Path, Place("the path of a file")]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys; a section left empty has its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, data: object) -> object:
        return {} if data is None else data


class Tls(Section):
    """An encrypted connection to the broker."""

    ca_certs: _File | None = None
    """Certificates of the authorities to trust (PEM); null trusts those of the system."""
    certfile: _File | None = None
    """Our own certificate (PEM), where the broker asks for one."""
    keyfile: _File | None = None
    """The key of `certfile`, where it is in a file of its own."""
    insecure: _Switch = False
    """Do not check whether the certificate belongs to the host."""

    @field_validator("keyfile")
    @classmethod
    def _certified(cls, keyfile: Path | None, info: ValidationInfo) -> Path | None:
        if keyfile and "certfile" in info.data and info.data["certfile"] is None:
            raise problem("is of no use alone, give certfile too")
        return keyfile


class CameraTls(Section):
    """Whose certificate is believed, where the address is rtsps:// or https://."""

    ca_certs: _File | None = None
    """Certificates of authorities to trust, or the camera's own certificate (PEM); null trusts those of the system."""
    server_name: Annotated[str, HOST] | None = None
    """The name that stands in the certificate; null is the host in the address."""
    verify: _Switch = True
    """false takes any certificate: whoever gets between reads the password and sees, or replaces, the pictures."""

    def trust(self) -> Trust:
        """The same for a source."""
        return Trust(str(self.ca_certs) if self.ca_certs else None, self.server_name, self.verify)

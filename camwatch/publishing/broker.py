"""What is needed to reach a broker, and what its failures mean. Standard library only."""

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from camwatch.errors import InputError

ONLINE, OFFLINE = b"online", b"offline"


@dataclass(frozen=True, slots=True)
class Tls:
    """How to encrypt.

    Attributes:
        ca_certs: PEM file of the authorities to trust; None: those of the system.
        certfile: PEM file of the client's own certificate, where the broker asks for one.
        keyfile: PEM file of its key; None: the key is in `certfile`.
        insecure: Do not check that the certificate is for this host; who signed it is checked all the same.
    """

    ca_certs: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """The files read into a context.

        Raises:
            InputError: A file is missing or is not what it should be.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_certs)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.ca_certs}: no usable PEM certificates of authorities: {reason(error)}") from error
        if self.certfile is not None:
            try:
                # An encrypted key must fail here: asking at a terminal is nothing for a daemon.
                context.load_cert_chain(self.certfile, self.keyfile, password="")
            except (OSError, ValueError) as error:
                raise InputError(f"{self.certfile}: no usable certificate with its key: {reason(error)}") from error
        context.check_hostname = not self.insecure
        return context


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is and who we are there; the password is not part of the repr."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None

    def __str__(self) -> str:
        """`host:port`, as in log lines."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def reason(error: Exception) -> str:
    """A connection's failure in a few words, without the numbers that Python puts in front."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, socket.gaierror):
        return f"host name not found: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)

"""Whose certificate is believed to be the camera's, over `rtsps` and `https`.

FFmpeg checks it, where it is told to: unasked it takes any certificate. Of what is wrong it says only that reading
failed, so the reason is found out by a second greeting with Python's own TLS.
"""

import os
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

ENCRYPTED = {"rtsps": 322, "https": 443}
"""The encrypted schemes, with their usual ports."""

_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS
)
_HINT = "tls.ca_certs and tls.server_name of the camera can say which one is right"


@dataclass(frozen=True, slots=True)
class Trust:
    """What a certificate must be.

    Attributes:
        ca_certs: PEM file of the authorities to trust, or of the camera's own certificate; None: those of the system.
        server_name: The name in the certificate; None: the host of the address.
        verify: False takes any certificate, whoever it is from.
    """

    ca_certs: str | None = None
    server_name: str | None = None
    verify: bool = True

    def options(self) -> dict[str, str]:
        """FFmpeg's options for it; protocols without encryption ignore them."""
        if not self.verify:
            return {"tls_verify": "0"}
        options = {"tls_verify": "1"}
        if authorities := self._authorities():
            options["ca_file"] = authorities
        if self.server_name is not None:
            options["verifyhost"] = self.server_name
        return options

    def objection(self, url: str, *, timeout: float) -> tuple[str, str] | None:
        """Why an encrypted connection that failed did so: the reason of a `SourceError`, and words for people.

        Args:
            url: Where it failed; one of the encrypted schemes.
            timeout: Seconds for connecting, and again for each answer.

        Returns:
            None where encryption is not what is wrong.
        """
        import ssl  # readers seldom need it

        parts = urlsplit(url)
        host, authorities = parts.hostname or "", self._authorities()
        try:
            context = ssl.create_default_context(cafile=authorities)
        except (OSError, ValueError):
            return "certificate", f"{authorities} has no usable PEM certificates of authorities"
        # As GnuTLS in FFmpeg judges: a certificate that is trusted itself needs no authority, and no modern extensions.
        context.verify_flags = ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            address = host, parts.port or ENCRYPTED[parts.scheme.lower()]
            with socket.create_connection(address, timeout) as plain:
                context.wrap_socket(plain, server_hostname=self.server_name or host).close()
        except ssl.SSLCertVerificationError as error:
            return "certificate", f"its certificate is not accepted: {error.verify_message.rstrip('.')}; {_HINT}"
        except ssl.SSLError as error:
            return "network", f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
        except (OSError, ValueError):
            return None
        return None

    def _authorities(self) -> str | None:
        """The file to trust. Named, as FFmpeg's own TLS library may look for the system's where it was built."""
        if self.ca_certs is not None:
            return self.ca_certs
        named = (os.environ.get("SSL_CERT_FILE", ""), *_AUTHORITIES)
        return next((name for name in named if name and os.access(name, os.R_OK)), None)

"""Certificates for tests, made by the openssl of the operating system; valid for two days."""

import shutil
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")

OPENSSL_MISSING = None if shutil.which("openssl") else "no openssl here; install with apt-get: openssl"
"""Why `Authority` cannot work on this machine, or None."""


class Authority:
    """A certificate authority of its own, made by openssl in a folder."""

    def __init__(self, folder: Path, name: str = "camwatch test authority") -> None:
        """Make the authority's key and certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate = folder / "ca.crt"
        self._openssl(
            "req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", "ca.key", "-out", "ca.crt"
        )

    def sign(
        self, name: str, *, alternatives: str = "DNS:localhost,IP:127.0.0.1", expired: bool = False
    ) -> tuple[Path, Path]:
        """A certificate for `name` and its key, as files; one that was valid until yesterday where it is `expired`."""
        (self._folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
        self._openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self._openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-days", "-1" if expired else "2", "-extfile", f"{name}.ext", "-out", f"{name}.crt"),
        )
        return self._folder / f"{name}.crt", self._folder / f"{name}.key"

    def sign_itself(self, name: str, *, alternatives: str) -> tuple[Path, Path]:
        """A certificate that no authority has signed, as cameras make them, and its key."""
        self._openssl(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={alternatives}"),
            *("-addext", "basicConstraints=critical,CA:false", "-keyout", f"{name}.key", "-out", f"{name}.crt"),
        )
        return self._folder / f"{name}.crt", self._folder / f"{name}.key"

    def _openssl(self, *arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=self._folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()}")

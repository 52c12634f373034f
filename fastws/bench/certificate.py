"""A certificate for one run, made by whatever here can make one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoCertificate", "certificate"]

ASK_SECONDS = 30
OPENSSL = (
    *("req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
    *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
)


class NoCertificate(Exception):
    """Nothing here can make a certificate; the text says what would."""


@contextmanager
def certificate() -> Iterator[str]:
    """Yield the path of a PEM file with a new key and its certificate, gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="fastws-bench-") as folder:
        path = Path(folder, "localhost.pem")
        if not _by_openssl(path) and not _by_trustme(path):
            raise NoCertificate(
                "no certificate: install the openssl command, or pip install trustme"
            )
        yield str(path)


def _by_openssl(path: Path) -> bool:
    openssl = shutil.which("openssl")
    if openssl is None:
        return False
    # Key and certificate into the same file, one after the other.
    command = [openssl, *OPENSSL, "-keyout", str(path), "-out", f"{path}.crt"]
    try:
        made = subprocess.run(command, capture_output=True, timeout=ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if made.returncode:
        return False
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return True


def _by_trustme(path: Path) -> bool:
    try:
        import trustme
    except ImportError:
        return False
    trustme.CA().issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(path))
    return True

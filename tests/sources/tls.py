"""Certificates made on the spot, and servers that show them."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, name: str) -> Path:
    """A certificate for *name* (``IP:127.0.0.1`` or ``DNS:shop.test``), with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl program here")
    file = folder / f"{name.partition(':')[2]}.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=orderpull-test", "-addext",
         f"subjectAltName={name}", "-keyout", str(file), "-out", str(file.with_suffix(".crt"))],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with file.open("a", encoding="utf-8") as both:
        both.write(file.with_suffix(".crt").read_text(encoding="utf-8"))
    return file


def shown(file: Path) -> ssl.SSLContext:
    """What a server needs to show the certificate in *file*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context

"""Real servers for tests, on 127.0.0.1 alone: PostgreSQL, and S3 as moto plays it.

Each is started once per process, when it is first asked for, and ends with the process, however
that ends. Start them from the main thread: on Linux the system ends a server when the *thread* that
started it ends.
"""

import atexit
import ctypes
import datetime as dt
import ipaddress
import itertools
import logging
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg

_numbers = itertools.count(1)
_START_SECONDS = 60
_PR_SET_PDEATHSIG = 1
KEYS = {
    "aws_access_key_id": "testing",
    "aws_secret_access_key": "testing",
    "region_name": "us-east-1",
}
"""What boto3 is told when it asks moto, which lets everybody in."""


def share_boto3_models() -> None:
    """Let all sessions of boto3 share one reader of its models: a client takes a third of the time."""
    import botocore.session

    botocore.session.create_loader = cache(botocore.session.create_loader)


class ServerMissing(RuntimeError):
    """A server that tests need is not installed, or did not start."""


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1 and localhost, and its key, as PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class PostgresServer:
    """Where a PostgreSQL listens, and who may do everything there."""

    host: str
    port: int
    user: str
    password: str
    certificate: Certificate | None = None

    def dsn(self, database: str = "postgres") -> str:
        """What psycopg connects with."""
        return (
            f"host={self.host} port={self.port} user={self.user} password={self.password}"
            f" dbname={database} connect_timeout=10"
        )

    def url(self, database: str) -> str:
        """The same as a URL, with the password in it."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """A connection of its superuser that commits each statement."""
        import psycopg

        return psycopg.connect(self.dsn(database), autocommit=True)


@cache
def postgres_server(*, tls: bool = False) -> PostgresServer:
    """This process' PostgreSQL. :param tls: one that offers TLS, beside the one that does not.

    :raises ServerMissing: PostgreSQL is not installed, or does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="orderpull-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    account = _account()
    password = secrets.token_hex(8)
    certificate = self_signed(folder) if tls else None
    secret = folder / "password"
    secret.write_text(password)
    if account:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, account)
    data = folder / "data"
    _run_initdb(data, secret, account)
    port = _start_postgres(folder, data, account, certificate)
    return PostgresServer("127.0.0.1", port, "admin", password, certificate)


def fresh_database(server: PostgresServer, template: str = "template0") -> str:
    """The name of a new database, a copy of *template*."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return name


@cache
def s3_server() -> str:
    """The endpoint URL of this process' S3; moto's other services answer there, too."""
    os.environ["MOTO_DISABLE_GLOBAL_CORS"] = os.environ["S3_IGNORE_SUBDOMAIN_BUCKETNAME"] = "true"
    from moto import backends
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from moto.server import ThreadedMotoServer

    modules = list(backends.list_of_moto_modules())  # else moto lists its folder at each request
    backends.list_of_moto_modules = lambda: modules
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else each request is a line on stderr
    MotoRequestHandler.protocol_version = "HTTP/1.1"  # else each request is a connection of its own
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@cache
def aws_client(service: str, endpoint: str) -> Any:
    """A boto3 client of *service* at *endpoint*, with keys that mean nothing; made once."""
    import boto3

    return boto3.client(service, endpoint_url=endpoint, **KEYS)


def stored_object(bucket: str, key: str) -> bytes | None:
    """Return the bytes of an object of :func:`s3_server`, read without a request; None: no such object."""
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    buckets = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets
    found = buckets[bucket].keys.get(key) if bucket in buckets else None
    return found and bytes(found.value)


def fresh_bucket(endpoint: str) -> str:
    """The name of a new, empty bucket at *endpoint*."""
    name = f"bucket-{os.getpid()}-{next(_numbers)}"
    aws_client("s3", endpoint).create_bucket(Bucket=name)
    return name


def self_signed(folder: Path) -> Certificate:
    """Make a certificate in *folder*."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    made = Certificate(folder / "server.crt", folder / "server.key")
    made.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@contextmanager
def silent_server() -> Iterator[tuple[str, int]]:
    """Host and port of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens just now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _run_initdb(data: Path, secret: Path, account: str | None) -> None:
    command = [str(_binary("initdb")), f"--pgdata={data}", "--username=admin"]
    command += [f"--pwfile={secret}"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
    done = subprocess.run(command, **_as(account), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerMissing(f"initdb failed: {done.stderr.strip()}")


def _start_postgres(
    folder: Path, data: Path, account: str | None, certificate: Certificate | None
) -> int:
    """Start the server and wait until it answers; its port."""
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "max_connections": "60",
        "shared_buffers": "64MB",
        "deadlock_timeout": "200ms",
        "logging_collector": "off",
        "timezone": "UTC",
    }
    if certificate:
        settings |= {
            "ssl": "on",
            "ssl_cert_file": str(certificate.cert),
            "ssl_key_file": str(certificate.key),
        }
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    log = folder / "log"
    for _ in range(5):
        port = free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [_binary("postgres"), "-D", data, "-p", str(port), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - it takes no lock
                **_as(account),
            )
        atexit.register(_end, process)
        if _is_ready(process, log):
            return port
    raise ServerMissing(f"PostgreSQL does not start: {log.read_text(errors='replace')[-2000:]}")


def _is_ready(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Wait until the server says that it takes connections; False when it ended instead."""
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if b"ready to accept connections" in log.read_bytes():
            return True
        time.sleep(0.02)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    """An immediate shutdown: nobody will read these files again."""
    if process.poll() is None:
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


def _binary(name: str) -> Path:
    """The newest *name* below /usr/lib/postgresql, else the one on the path."""
    found = list(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found:
        return max(found, key=lambda path: int(path.parts[-3].split(".")[0]))
    if on_path := shutil.which(name):
        return Path(on_path)
    raise ServerMissing(
        "The tests need a PostgreSQL server (initdb and postgres), and none is installed. "
        "On Debian and Ubuntu: apt-get install postgresql."
    )


def _account() -> str | None:
    """Whom PostgreSQL runs as: it refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise ServerMissing("PostgreSQL does not run as root, and there is no user 'nobody' here.")


def _as(account: str | None) -> dict[str, Any]:
    """Arguments for subprocess: as whom, and where nothing is forbidden to him."""
    if account is None:
        return {"cwd": "/"}
    return {"cwd": "/", "user": account, "group": pwd.getpwnam(account).pw_gid, "extra_groups": []}

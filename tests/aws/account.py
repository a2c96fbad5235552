"""An AWS account on this machine: S3, SQS, Secrets Manager and SSM as moto plays them, a Redshift.

What runs in it is told of it as a function is: by its environment alone.
"""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from orderpull.model import DATA_TABLES
from orderpull.simulator import Simulator
from tests.aws.runtime import HERE, Function
from tests.durability.matrix import Account, Shop
from tests.servers import KEYS, aws_client, s3_server
from tests.warehouses import Warehouse

SECRET = "a-token-that-appears-nowhere"
SOURCE = """\
[sources.{name}]
api = "{api}"
base_url = "{url}"
token = "${{SHOP_TOKEN}}"
{more}
"""


@dataclass
class AwsAccount:
    """Everything that a function finds, and the functions in it.

    :param place: the warehouse. :param sources: the blocks of the settings.
    """

    place: Warehouse
    folder: Path
    sources: str = ""
    published: str = ""
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def __post_init__(self) -> None:
        self.s3 = aws_client("s3", s3_server())
        self.sqs = aws_client("sqs", s3_server())
        self.bucket = f"landing-{self.name}"
        self.s3.create_bucket(Bucket=self.bucket)
        secrets = aws_client("secretsmanager", s3_server())
        tokens = json.dumps({"SHOP_TOKEN": SECRET})
        self.tokens = secrets.create_secret(Name=f"tokens-{self.name}", SecretString=tokens)["ARN"]
        login = json.dumps({"username": self._user, "password": self._password})
        self.login = secrets.create_secret(Name=f"login-{self.name}", SecretString=login)["ARN"]

    @property
    def _user(self) -> str:
        return str(urlsplit(str(self.place.lines["url"])).username)

    @property
    def _password(self) -> str:
        parts = urlsplit(str(self.place.lines["url"]))
        return str(self.place.lines.get("password") or parts.password)

    def settings(self) -> str:
        """``orderpull.toml``: Redshift logs in with a secret, S3 is where the environment says."""
        lines = {k: v for k, v in self.place.lines.items() if k not in {"password", "endpoint"}}
        if self.place.kind == "redshift":
            lines |= {"auth": "secret", "secret_arn": self.login}
        block = "".join(f'{key} = "{value}"\n' for key, value in lines.items())
        landing = f'[landing]\nurl = "s3://{self.bucket}/raw"\n'
        return f"[destination]\nlock_wait = 5\n{block}{landing}{self.sources}"

    def add(self, name: str, url: str, more: str = "", api: str = "skubana-assessment") -> None:
        """Add a source to the settings."""
        self.sources += SOURCE.format(name=name, url=url, more=more, api=api)

    def publish_settings(self) -> None:
        """Keep the settings in Secrets Manager from now on: an environment holds 4 KB at most."""
        self.published = f"settings-{self.name}"
        aws_client("secretsmanager", s3_server()).create_secret(
            Name=self.published, SecretString=self.settings()
        )

    def environment(self, machine: str = "machine", **more: str) -> dict[str, str]:
        """What the function is told. :param machine: each has files of its own."""
        cache = self.folder / machine
        cache.mkdir(exist_ok=True)
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(HERE.parents[1]),
            "AWS_ACCESS_KEY_ID": KEYS["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": KEYS["aws_secret_access_key"],
            "AWS_REGION": KEYS["region_name"],
            "AWS_DEFAULT_REGION": KEYS["region_name"],
            "AWS_ENDPOINT_URL": s3_server(),
            "XDG_CACHE_HOME": str(cache),
            "TMPDIR": str(cache),
            "LAMBDA_TASK_ROOT": str(self.folder),
            "POWERTOOLS_SERVICE_NAME": "orders",
            "ORDERPULL_SETTINGS": f"secret:{self.published}" if self.published else self.settings(),
            "ORDERPULL_SECRETS": self.tokens,
            **more,
        }

    def function(self, machine: str = "machine", **more: str) -> Function:
        """An execution environment, which begins cold."""
        return Function(self.folder, self.environment(machine, **more))

    def doomed(self, point: str, times: int = 1) -> Function:
        """One that is killed at *point*."""
        environment = self.environment("killed")
        return Function(self.folder, environment, kill_at=f"{point}:{times}")

    def queue(self, name: str, **attributes: str) -> str:
        """The URL of a new FIFO queue."""
        made = self.sqs.create_queue(
            QueueName=f"{name}-{self.name}.fifo", Attributes={"FifoQueue": "true", **attributes}
        )
        return str(made["QueueUrl"])

    def let_lease_run_out(self, source: str = "shop") -> None:
        """As if the time of a killed function's lease had gone by."""
        key = f"raw/{source}/.lock"
        kept = msgspec.json.decode(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())
        lease = msgspec.json.encode({**kept, "seconds": -1.0})
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=lease)

    def keys(self, prefix: str) -> list[str]:
        """The landing's keys below *prefix*."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def settled(self, simulator: Simulator, source: str = "shop") -> Account:
        """The warehouse and the landing of *source* beside what *simulator* handed out."""
        return _Settling(self, simulator, source).account()


class _Settling(Shop):
    """A shop whose landing is copied from the bucket, and whose rows are in the warehouse."""

    def __init__(self, account: AwsAccount, simulator: Simulator, source: str) -> None:
        folder = account.folder / f"copy-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        super().__init__(folder, simulator)
        self.place, self.source = account.place, source
        for key in account.keys(f"raw/{source}/"):
            path = folder / "landing" / "shop" / key.removeprefix(f"raw/{source}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            body = account.s3.get_object(Bucket=account.bucket, Key=key)["Body"].read()
            path.write_bytes(body)

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """What the warehouse holds of the source, table by table."""
        return {
            table.name: [
                dict(zip(table.names, row, strict=True))
                for row in self.place.query(
                    f"SELECT {', '.join(table.names)} FROM {table.name} "
                    f"WHERE source = '{self.source}'"
                )
            ]
            for table in DATA_TABLES
        }


def told(records: list[dict[str, Any]], source: str) -> Mapping[str, Any]:
    """What the log says became of *source*."""
    (found,) = (r["result"] for r in records if r.get("source") == source and "result" in r)
    return dict(found)

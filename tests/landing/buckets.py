"""An S3 on this machine: moto behind a real HTTP server, and buckets of it."""

import os
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import boto3

from orderpull.landing.s3.landing import S3SourceLanding, landing_at
from orderpull.settings import LandingSettings

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIATESTTESTTESTTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-appears-nowhere",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What boto3 finds in the environment of every test."""


@dataclass
class TestBucket:
    """A bucket of its own on the S3 at *url*."""

    __test__: ClassVar[bool] = False

    url: str
    name: str = field(default_factory=lambda: f"orders-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.client.create_bucket(Bucket=self.name)

    @cached_property
    def client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.url)

    def settings(self, **more: Any) -> LandingSettings:
        """Settings for a landing in it."""
        return LandingSettings(**{"url": f"s3://{self.name}/raw", "endpoint": self.url, **more})

    def toml(self, **more: str) -> str:
        """The same as a block of ``orderpull.toml``."""
        settings = {"url": f"s3://{self.name}/raw", "endpoint": self.url, **more}
        return "[landing]\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items())

    def landing(self, source: str = "shop", **more: Any) -> S3SourceLanding:
        """A landing of one source, opened anew."""
        return landing_at(self.settings(**more)).source(source)

    def keys(self, prefix: str = "raw/shop/") -> list[str]:
        """The keys below *prefix*, without it."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return [o["Key"].removeprefix(prefix) for p in pages for o in p.get("Contents", ())]

    def in_flight(self) -> list[str]:
        """Names of the requests that are noted as in flight."""
        return self.keys("raw/shop/in-flight/")

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=f"raw/shop/{key}")["Body"].read()
        return body

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=f"raw/shop/{key}", Body=data)

    def put_at_once(self, key: str) -> None:
        """Put an empty object past HTTP: for many of them."""
        from moto.s3.models import s3_backends

        s3_backends["123456789012"]["aws"].put_object(self.name, f"raw/shop/{key}", b"")


def environment(cache: Path) -> dict[str, str]:
    """The environment of a process on a machine whose cache is *cache*."""
    return {**os.environ, **CREDENTIALS, "XDG_CACHE_HOME": str(cache)}

"""Warehouses to load into: a real PostgreSQL, S3 as moto plays it, and the Redshift of the tests."""

from collections.abc import Iterator

import pytest

from tests.doubles.redshift import RedshiftDouble, redshift_double
from tests.servers import PostgresServer, fresh_bucket, fresh_database, postgres_server, s3_server

ROLE = "arn:aws:iam::123456789012:role/orderpull-copy"
"""The role that the ``redshift`` fixture lets read below ``stage/`` in ``bucket``."""


@pytest.fixture(scope="session")
def postgres() -> PostgresServer:
    """One server for all tests of this process."""
    return postgres_server()


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """The name of an empty database on ``postgres``."""
    return fresh_database(postgres)


@pytest.fixture(scope="session")
def s3() -> str:
    """The endpoint URL of one S3 for all tests of this process."""
    return s3_server()


@pytest.fixture
def bucket(s3: str) -> str:
    """The name of an empty bucket."""
    return fresh_bucket(s3)


@pytest.fixture
def redshift(postgres: PostgresServer, s3: str, bucket: str) -> Iterator[RedshiftDouble]:
    """A Redshift whose COPY may read ``bucket``'s ``stage/`` by :data:`ROLE`."""
    with redshift_double(postgres, s3, {ROLE: f"{bucket}/stage/"}) as double:
        yield double

"""Forgetting where the landing is a bucket that keeps versions."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orderpull import read_settings
from orderpull.s3 import S3Client
from tests.forget.person import NAME, PERSON, counted, everything, forget, person_shop
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.traces import traces
from tests.warehouses import warehouse

__all__ = ["bucket"]


def versions(of: TestBucket) -> Iterator[tuple[str, bytes]]:
    """Key and content of every version of every object."""
    for each in of.client.list_object_versions(Bucket=of.name).get("Versions", ()):
        got = of.client.get_object(Bucket=of.name, Key=each["Key"], VersionId=each["VersionId"])
        yield each["Key"], got["Body"].read()


def test_versions_of_pages_go_too(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may not be deleted is named, exit 1; the next command deletes it once it may."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    bucket.client.put_bucket_versioning(
        Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"}
    )
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = person_shop(place)
        file = listed.settings.file
        assert file is not None
        file.write_text(file.read_text(encoding="utf-8") + bucket.toml(), encoding="utf-8")
        listed.settings = read_settings(file)
        assert listed.run().error is None
        before = counted(place)
        with monkeypatch.context() as denied:
            denied.setattr(S3Client, "client", Denied(bucket.client))
            done = json.loads(forget(listed, "--name", NAME, "--yes", "--json", code=1).output)
        named = [each.partition(": version ")[0] for each in done["left"]]
        assert [each[-15:] for each in named] == [f"00000{page}.json.zst" for page in (1, 2, 3)]
        left = {f"s3://{bucket.name}/{key}" for key, _ in traces(PERSON, versions(bucket))}
        assert left == {*named[:2]}, "two pages; the third is a list of ids"
        forget(listed, "--yes")
        assert traces(PERSON, versions(bucket)) == []
        bucket.put("2025-12/000000000000.json.zst", b"a page that keep_days deletes")
        bucket.client.delete_object(
            Bucket=bucket.name, Key="raw/shop/2025-12/000000000000.json.zst"
        )
        done = json.loads(forget(listed, "--yes", "--json", code=1).output)
        (left,) = done["left"]
        assert left.endswith("deleted pages (1, 2025-12/000000000000.json.zst first)")
        assert traces(PERSON, everything(place, tmp_path)) == []
        assert counted(place) == before


class Denied:
    """A client that may not delete versions."""

    def __init__(self, client: object) -> None:
        self._client = client

    def __getattr__(self, name: str) -> object:
        return self._refuse if name == "delete_object" else getattr(self._client, name)

    def _refuse(self, **parameters: str) -> object:
        from botocore.exceptions import ClientError

        if "VersionId" not in parameters:
            return self._client.delete_object(**parameters)  # type: ignore[attr-defined]
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

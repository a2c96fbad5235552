"""Forgetting where the landed pages are encrypted: rewritten ones are encrypted under today's key."""

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from pyrage import x25519

from orderpull import read_settings
from orderpull.errors import KeyMissing
from orderpull.landing import open_landing
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import LandingSettings
from tests.forget.person import NAME, PERSON, counted, everything, forget, person_shop
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.traces import traces
from tests.warehouses import warehouse

__all__ = ["bucket"]

pytestmark = pytest.mark.slow


def block(settings: dict[str, str]) -> str:
    return "[landing]\n" + "".join(f'{key} = "{value}"\n' for key, value in settings.items())


def bodies(landing: SourceLanding) -> Iterator[tuple[str, bytes]]:
    """Place and decrypted body of each page."""
    for page in landing.pages():
        yield f"page {page}", landing.read(page)[1]


@pytest.mark.parametrize("kind", ["age", "kms"])
def test_pages_are_rewritten_under_todays_key(
    kind: str, bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key is replaced between landing and forgetting; the old one reads nothing rewritten."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    place_of, before_keys, after_keys, old_key = keys(kind, bucket, tmp_path, monkeypatch)
    with warehouse("duckdb", tmp_path / "here", prepared=True) as place:
        listed = person_shop(place)
        file = listed.settings.file
        assert file is not None
        text = file.read_text(encoding="utf-8")
        file.write_text(text + block(place_of | before_keys), encoding="utf-8")
        listed.settings = read_settings(file)
        assert listed.run().error is None
        before = counted(place)
        file.write_text(text + block(place_of | after_keys), encoding="utf-8")
        listed.settings = read_settings(file)
        landing = open_landing(listed.settings.landing, place.folder).source("shop")
        assert traces(PERSON, bodies(landing))
        forget(listed, "--name", NAME, "--yes")
        redacted = [page for page in landing.pages() if landing.meta(page).redacted]
        assert len(redacted) > 1
        assert {landing.meta(page).encrypted for page in landing.pages()} == {kind}
        assert traces(PERSON, bodies(landing)) == []
        assert traces(PERSON, [*everything(place, tmp_path / "tmp"), *stored(bucket)]) == []
        assert counted(place) == before
        assert listed.run().error is None
        assert traces(PERSON, bodies(landing)) == []
        if old_key:
            only_old = LandingSettings(place_of["url"], identity=old_key)
            with pytest.raises(KeyMissing):
                open_landing(only_old, place.folder).source("shop").read(redacted[0])
        else:
            assert wrapped(bucket, redacted[0], after_keys["encrypt"])


def keys(
    kind: str, bucket: TestBucket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, str], dict[str, str], dict[str, str], str]:
    """The place, the settings of a key, those of the next key, and what reads by the first alone."""
    if kind == "age":
        old, new = x25519.Identity.generate(), x25519.Identity.generate()
        return (
            {"url": str(folder / "here" / "landing")},
            {"encrypt": f"age:{old.to_public()}", "identity": str(old)},
            {"encrypt": f"age:{new.to_public()}", "identity": f"{new},{old}"},
            str(old),
        )
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", bucket.url)
    made = [boto3.client("kms").create_key()["KeyMetadata"]["KeyId"] for _ in range(2)]
    url = {"url": f"s3://{bucket.name}/raw", "endpoint": bucket.url}
    return url, {"encrypt": f"kms:{made[0]}"}, {"encrypt": f"kms:{made[1]}"}, ""


def stored(bucket: TestBucket) -> Iterator[tuple[str, bytes]]:
    """Every object of the bucket as it lies there."""
    for key in bucket.keys(""):
        yield key, bucket.client.get_object(Bucket=bucket.name, Key=key)["Body"].read()


def wrapped(bucket: TestBucket, page: int, encrypt: str) -> bool:
    """True if the data key of *page* is wrapped by the key of *encrypt*: moto's text begins so."""
    (data,) = (data for key, data in stored(bucket) if key.endswith(f"{page:012d}.json.zst"))
    return encrypt.removeprefix("kms:").encode() in data

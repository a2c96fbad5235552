"""S3 fails: what was kept stays, what was not kept is told, and nothing is written over."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orderpull import s3 as bucket_module
from orderpull.errors import CorruptPage, LandingBusy, LandingError, SettingsError
from orderpull.landing import open_landing
from orderpull.landing.s3.landing import S3SourceLanding
from orderpull.settings import LandingSettings
from tests.doubles.faulty_s3 import Asked, Fault, Line, once, put_of
from tests.landing.buckets import CREDENTIALS, TestBucket
from tests.landing.pages import BODY, land, meta

REQUEST = "GET http://shop.test/orders"


@pytest.fixture
def line(bucket: TestBucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to S3 on which waiting is short."""
    monkeypatch.setattr(bucket_module, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(bucket_module, "READ_SECONDS", 0.3)
    monkeypatch.setattr(bucket_module, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", no_wait)
    with Line(bucket.url) as line:
        yield line


def no_wait(*_: object) -> float:
    return 0.0


def opened(bucket: TestBucket, line: Line) -> S3SourceLanding:
    """A landing that is reached over *line*."""
    landing = bucket.landing(endpoint=line.url)
    landing.prepare()
    return landing


@pytest.mark.parametrize(
    "word", ["500", "503 SlowDown", "503", "reset", "silent", "lost", "lost 500", "lost 503"]
)
def test_a_put_that_fails_once_is_put_once(bucket: TestBucket, line: Line, word: str) -> None:
    """Whether the first attempt arrived or not: the page is there, as one, and it is ours."""
    landing = opened(bucket, line)
    line.fault = once(word, put_of(".json.zst"))
    land(landing)
    assert landing.pages() == [1]
    assert bucket.landing().read(1)[1] == BODY
    assert sum(put_of(".json.zst")(asked) for asked in line.asked) == 2


@pytest.mark.parametrize("word", ["500", "503 SlowDown", "reset", "silent"])
def test_a_put_that_fails_for_good_is_told(bucket: TestBucket, line: Line, word: str) -> None:
    """Tries are bounded, the sentence says what S3 did, and no page is there."""
    landing = opened(bucket, line)
    put = put_of(".json.zst")
    line.fault = lambda asked: word if put(asked) else None
    with pytest.raises(LandingError) as caught:
        land(landing)
    said = {
        "500": "answered 500 InternalError when asked to write, 5 times",
        "503 SlowDown": "answered 503 SlowDown when asked to write, 5 times",
        "reset": "cannot be reached|broke the connection off",
        "silent": "accepts connections and does not answer",
    }
    assert re.search(said[word], caught.value.message), caught.value.message
    assert caught.value.message.startswith(f"The landing {landing} cannot be used: ")
    assert sum(put(asked) for asked in line.asked) == bucket_module.TRIES
    line.fault = lambda _: None
    assert landing.pages() == []
    land(landing)
    assert landing.pages() == [1]


def test_a_conflict_is_tried_again(bucket: TestBucket, line: Line) -> None:
    """S3 answers 409 where two conditional puts meet; botocore does not try that again."""
    landing = opened(bucket, line)
    line.fault = once("409 ConditionalRequestConflict", put_of(".json.zst"))
    land(landing)
    assert landing.pages() == [1]


def test_a_page_of_another_puller_is_not_written_over_and_ours_is_kept(
    bucket: TestBucket, line: Line
) -> None:
    """A taken number, found out when its first attempt is lost: both answers are pages."""
    landing, other = opened(bucket, line), bucket.landing()
    line.fault = once("500", put_of(".json.zst"))
    land(other, b'["theirs"]', page=1)
    with pytest.raises(LandingBusy, match=r"page 1 is there already\. What came .* as page 2\."):
        land(landing, b'["ours"]', page=1)
    assert [landing.read(page)[1] for page in landing.pages()] == [b'["theirs"]', b'["ours"]']
    assert landing.meta(2).page == 2


def test_no_put_is_without_its_condition(bucket: TestBucket, line: Line) -> None:
    """Each page and each note of a request in flight goes out under If-None-Match."""
    landing = opened(bucket, line)
    with landing.pulling():
        draft = landing.begin_request(1, REQUEST)
        land(landing)
        draft.discard()
    with landing.pulling():
        pass
    conditions = [
        asked.headers.get("If-None-Match")
        for asked in line.asked
        if put_of(".json.zst")(asked) or put_of(".part")(asked)
    ]
    assert conditions == ["*", "*"]
    leases = [asked.headers for asked in line.asked if put_of(".lock")(asked)]
    assert all("If-None-Match" in headers or "If-Match" in headers for headers in leases)
    assert len(leases) == 4


@pytest.mark.parametrize("word", ["cut", "500", "reset", "silent"])
def test_a_read_that_fails_once_is_read_again(bucket: TestBucket, line: Line, word: str) -> None:
    """A page that breaks off is asked for again, and is whole."""
    landing = opened(bucket, line)
    body = b"[" + b" " * 100_000 + b"]"
    land(landing, body)
    line.fault = once(word, lambda asked: asked.operation == "GET" and ".json.zst" in asked.path)
    assert landing.read(1)[1] == body


def test_a_read_that_breaks_off_for_good_is_told(bucket: TestBucket, line: Line) -> None:
    """Not the half of it, and no endless tries."""
    landing = opened(bucket, line)
    land(landing)
    line.fault = lambda asked: "cut" if asked.operation == "GET" else None
    with pytest.raises(LandingError, match=r"broke the connection off|cannot be reached"):
        landing.read(1)


def test_a_page_that_is_not_what_was_landed_is_refused(bucket: TestBucket) -> None:
    """A page is proven by its hash before it is shaped."""
    landing = bucket.landing()
    landing.prepare()
    land(landing)
    (key,) = (key for key in bucket.keys() if key.endswith(".zst"))  # noqa: SIM118 - no dict
    bucket.put(key, bucket.get(key)[:-1] + b"?")
    with pytest.raises(CorruptPage):
        landing.read(1)


# ------------------------------------------------------------------------------------ preflight


def refusal(**settings: Any) -> LandingError:
    """What the check of a landing says."""
    began = time.monotonic()
    with pytest.raises(LandingError) as caught:
        open_landing(LandingSettings(**settings), Path()).check("shop")
    assert caught.value.exit_code == 2
    assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)
    assert time.monotonic() - began < 60  # it ends; how soon is seen in the time-outs
    return caught.value


def test_a_bucket_that_is_not_there(bucket: TestBucket) -> None:
    error = refusal(url="s3://no-such-bucket/raw", endpoint=bucket.url)
    assert "there is no bucket 'no-such-bucket'" in error.message
    assert "make the bucket" in error.hint


def test_an_endpoint_that_nobody_listens_at(bucket: TestBucket) -> None:
    error = refusal(url=f"s3://{bucket.name}", endpoint="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in error.message


def test_a_name_that_nobody_has(bucket: TestBucket) -> None:
    error = refusal(url=f"s3://{bucket.name}", endpoint="http://s3.invalid")
    assert "http://s3.invalid cannot be reached" in error.message


def test_a_silent_endpoint(bucket: TestBucket, line: Line) -> None:
    """Two tries of seconds each, then the sentence; nothing else is asked."""
    line.fault = lambda _: "silent"
    error = refusal(url=f"s3://{bucket.name}", endpoint=line.url)
    assert "accepts connections and does not answer" in error.message
    assert len(line.asked) == bucket_module.FIRST_TRIES


def test_no_credentials(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "nothing"))
    error = refusal(url=f"s3://{bucket.name}", endpoint=bucket.url)
    assert "boto3 finds no credentials" in error.message
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    error = refusal(url=f"s3://{bucket.name}", endpoint=bucket.url)
    assert "boto3 finds no credentials" in error.message


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_credentials_that_are_refused(bucket: TestBucket, line: Line, code: str) -> None:
    line.fault = lambda _: f"403 {code}"
    error = refusal(url=f"s3://{bucket.name}", endpoint=line.url)
    assert f"the credentials are refused ({code})" in error.message


@pytest.mark.parametrize(
    ("operation", "part", "verb"),
    [
        ("LIST", "", "list"),
        ("PUT", "probe", "write"),
        ("GET", "probe", "read"),
        ("DELETE", "probe", "delete"),
        ("GET", "landing.json", "read"),
        ("PUT", "landing.json", "write"),
    ],
)
def test_a_right_that_is_missing(
    bucket: TestBucket, line: Line, operation: str, part: str, verb: str
) -> None:
    """Each right that a run needs is tried before it."""

    def fault(asked: Asked) -> str | None:
        return "403 AccessDenied" if asked.operation == operation and part in asked.path else None

    line.fault = fault
    error = refusal(url=f"s3://{bucket.name}/raw", endpoint=line.url)
    assert f"the credentials may not {verb} there" in error.message
    assert "docs/landing.md" in error.hint


def test_a_key_that_may_not_be_used(bucket: TestBucket, line: Line) -> None:
    line.fault = once("400 KMS.NotFoundException", put_of("probe"))
    error = refusal(url=f"s3://{bucket.name}", endpoint=line.url, sse="aws:kms", kms_key="nope")
    assert "the encryption key cannot be used (KMS.NotFoundException)" in error.message


@pytest.mark.parametrize("condition", ["If-None-Match", "If-Match"])
def test_a_store_that_ignores_conditions_is_refused(
    bucket: TestBucket, line: Line, condition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that would write over pages is found out by the check, not by a loss."""
    line.fault = forgetting(condition)
    error = refusal(url=f"s3://{bucket.name}/raw", endpoint=line.url)
    assert "it writes over objects although If-None-Match and If-Match forbid it" in error.message


def forgetting(header: str) -> Fault:
    """Take *header* out of each request."""

    def fault(asked: Asked) -> None:
        asked.headers.pop(header, None)

    return fault


def test_the_check_leaves_nothing_but_the_identity(bucket: TestBucket) -> None:
    for _ in range(2):
        open_landing(bucket.settings(), Path()).check("shop")
    assert bucket.keys() == ["landing.json"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "s3://"}, "not s3://BUCKET/PREFIX"),
        ({"url": "s3://AKIAKEY:secret@bucket/raw"}, "not s3://BUCKET/PREFIX"),
        ({"url": "s3://Bucket_/raw"}, "not s3://BUCKET/PREFIX"),
        ({"url": "gs://bucket/raw"}, "gs is not a landing"),
        ({"url": "s3://bucket", "kms_key": "k"}, "sse is not aws:kms"),
        ({"url": "s3://bucket", "endpoint": "minio:9000"}, "landing.endpoint is not http://"),
        ({"url": "s3://bucket", "endpoint": "http://me:secret@minio"}, "landing.endpoint is not"),
        ({"url": "landing", "region": "eu-west-1"}, "region is set, and landing.url is a folder"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], said: str) -> None:
    """One sentence, and no secret that was put where none belongs."""
    with pytest.raises(SettingsError) as caught:
        open_landing(LandingSettings(**settings), Path())
    assert said in caught.value.message
    assert "secret" not in str(caught.value)


def test_without_boto3_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orderpull.landing.find_spec", lambda _: None)
    with pytest.raises(SettingsError, match=r"pip install 'orderpull\[s3\]'"):
        open_landing(LandingSettings(url="s3://bucket/raw"), Path())


@pytest.mark.parametrize(
    ("sse", "kms_key", "expected"),
    [
        (None, None, (None, None)),
        ("AES256", None, ("AES256", None)),
        ("aws:kms", "alias/orders", ("aws:kms", "alias/orders")),
    ],
)
def test_encryption_is_asked_for_with_every_put(
    bucket: TestBucket, line: Line, sse: Any, kms_key: str | None, expected: tuple[str, str]
) -> None:
    """Pages, notes, lease: all that is put is put as the settings say."""
    landing = bucket.landing(endpoint=line.url, sse=sse, kms_key=kms_key)
    landing.prepare()
    with landing.pulling():
        landing.begin_request(1, REQUEST).close()
        land(landing)
        landing.keep_cursor("x", 1)
    head = "x-amz-server-side-encryption"
    puts = [asked.headers for asked in line.asked if asked.method == "PUT"]
    told = {(h.get(head), h.get(f"{head}-aws-kms-key-id")) for h in puts}
    assert told == {expected}
    assert landing.meta(1) == meta(1)

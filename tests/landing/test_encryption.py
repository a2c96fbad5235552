"""An encrypted landing: nothing plain on the disk, and read again by who has the key alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner
from pyrage import x25519

from orderpull import read_settings, run
from orderpull.cli import main
from orderpull.errors import CorruptPage, KeyMissing, SettingsError
from orderpull.landing import kms, open_landing
from orderpull.landing.encryption import Encryption, frame, frames_of
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import decode, digest, encode
from orderpull.landing.protocol import SourceLanding
from orderpull.landing.sealed_file import SealedFile
from orderpull.settings import LandingSettings, SourceSettings
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.sources.http.limits import Stop
from orderpull.sources.http.messages import Request, Response, ResponseSink
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.reader import built_in, parse_api
from tests.landing.buckets import TestBucket
from tests.landing.pages import BODY, land, meta
from tests.shops import rows, shop_settings

IDENTITY = x25519.Identity.generate()
OTHER = x25519.Identity.generate()
PUBLIC = f"age:{IDENTITY.to_public()}"
NAME = "Grete Hermann"
SECRET_BODY = f'[{{"orderNumber": "A-1", "shipToAddress": {{"name": "{NAME}"}}}}]'.encode()


@dataclass
class Keyring:
    """Settings of a landing that is encrypted in one way.

    :param reads: what a machine adds that may read.
    """

    settings: dict[str, Any]
    reads: dict[str, Any]


@pytest.fixture(params=["age", "kms"])
def keyring(request: pytest.FixtureRequest, bucket: TestBucket, monkeypatch: Any) -> Keyring:
    """A pair of keys of age, or a key of KMS."""
    if request.param == "age":
        return Keyring({"encrypt": PUBLIC}, {"identity": str(IDENTITY)})
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", bucket.url)
    key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    return Keyring({"encrypt": f"kms:{key}"}, {})


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def where(request: pytest.FixtureRequest, tmp_path: Path, bucket: TestBucket) -> dict[str, Any]:
    """Settings of a place."""
    if request.param == "folder":
        return {"url": str(tmp_path / "landing")}
    return {"url": f"s3://{bucket.name}/raw", "endpoint": bucket.url}


def opened(*settings: dict[str, Any]) -> SourceLanding:
    """The landing of the source ``shop``, as another process opens it."""
    merged: dict[str, Any] = {}
    for each in settings:
        merged |= each
    landing = open_landing(LandingSettings(**merged), Path()).source("shop")
    landing.prepare()
    return landing


def files_below(*folders: Path) -> Iterator[bytes]:
    """The content of every file."""
    for folder in folders:
        yield from (path.read_bytes() for path in folder.rglob("*") if path.is_file())


def objects(bucket: TestBucket) -> Iterator[bytes]:
    """The content of every object."""
    yield from (bucket.get(key) for key in bucket.keys())  # noqa: SIM118 - no dict


def test_pages_are_unreadable_without_the_key_and_exact_with_it(
    where: dict[str, Any], keyring: Keyring, tmp_path: Path, bucket: TestBucket
) -> None:
    """No plain byte is stored; hash and metadata are those of the body; old pages stay readable."""
    land(opened(where))
    writer = opened(where, keyring.settings)
    land(writer, SECRET_BODY, cursor_after="2026-01-01")
    draft = writer.begin_request(3, "GET http://shop.test/orders", reserve=4096)
    draft.answered(200)
    for piece in (SECRET_BODY[:30], SECRET_BODY[30:]):
        draft.write(piece)
    draft.close()
    stored = [*files_below(tmp_path), *objects(bucket)]
    assert not [each for each in stored if NAME.encode() in each or b"Grete" in each]

    reader = opened(where, keyring.settings, keyring.reads)
    assert reader.read(1)[1] == BODY
    said, body = reader.read(2)
    assert (body, said.size, said.sha256) == (SECRET_BODY, len(body), digest(body))
    assert said.encrypted == writer.encryption.method
    assert writer.newest_cursor(None, 0) == "2026-01-01"
    (left,) = opened(where, keyring.settings, keyring.reads).requests_in_flight()
    assert (left.body, left.status) == (SECRET_BODY, 200)
    # Without `encrypt`, what is encrypted is read still; new pages are plain.
    again = opened(where, keyring.reads)
    assert again.read(2)[1] == body
    land(again, SECRET_BODY, page=4)
    assert (reader.meta(4).encrypted, reader.read(4)[1]) == (None, SECRET_BODY)


def test_any_changed_or_missing_byte_is_found(keyring: Keyring) -> None:
    """A ciphertext with one byte changed, or cut off, is refused, and says which file."""
    encryption = Encryption(LandingSettings(**keyring.settings, **keyring.reads))
    head, sealed = encode(meta(1), BODY, encryption)
    for at in range(0, len(sealed), 7):
        changed = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        for spoilt in (changed, sealed[:at]):
            with pytest.raises((CorruptPage, KeyMissing), match="here"):
                decode(head + spoilt, 1, "here", encryption)
    assert decode(head + sealed, 1, "here", encryption)[1] == BODY


@pytest.mark.parametrize(
    ("identity", "said"),
    [(None, "landing.identity is not set"), (str(OTHER), "is not a private key for it")],
    ids=["no key", "another key"],
)
def test_without_the_key_a_page_waits(tmp_path: Path, identity: str | None, said: str) -> None:
    """The sentence names the page and the setting; with the right key it is read."""
    folder = {"url": str(tmp_path / "landing")}
    land(opened(folder, {"encrypt": PUBLIC}), SECRET_BODY)
    with pytest.raises(KeyMissing, match=f"000000000001.json.zst waits.*{said}"):
        opened(folder, {"identity": identity}).read(1)
    both = f"{OTHER}\n{IDENTITY}"
    assert opened(folder, {"identity": both}).read(1)[1] == SECRET_BODY


def test_a_key_of_kms_that_may_not_be_used(
    bucket: TestBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before any request, and in a sentence with the right that lacks."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", bucket.url)
    landing = open_landing(bucket.settings(encrypt="kms:no-such-key"), Path())
    with pytest.raises(KeyMissing, match=r"KMS refuses GenerateDataKey .*kms:GenerateDataKey"):
        landing.check("shop")


def test_a_response_is_kept_while_kms_is_away(
    bucket: TestBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data key of the last hour serves on: what a consume-once API sent is never dropped."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", bucket.url)
    key = boto3.client("kms").create_key()["KeyMetadata"]["KeyId"]
    monkeypatch.setattr(kms, "KEY_SECONDS", 0.0)
    landing = opened({"url": str(tmp_path)}, {"encrypt": f"kms:{key}"})
    land(landing)
    boto3.client("kms").disable_key(KeyId=key)
    land(landing)
    assert landing.read(2)[1] == BODY


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encrypt": "age1nothing"}, "neither age:PUBLICKEY nor kms:KEYID"),
        ({"encrypt": "age:age1nothing"}, "which is no public key of age"),
        ({"encrypt": f"age:{IDENTITY}"}, "has a private key of age"),
        ({"identity": "none"}, "is no private key of age"),
        ({"encrypt": PUBLIC, "identity": str(OTHER)}, "could not be read here"),
    ],
)
def test_wrong_keys_are_told_at_once(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    """A wrong setting is a sentence, and shows no private key."""
    with pytest.raises(SettingsError, match=said) as caught:
        opened({"url": str(tmp_path)}, settings, {}).encryption.unseal("age", b"", "here")
    assert str(IDENTITY)[:30] not in str(caught.value)


class OneSource:
    """A consume-once source without a network, whose landing is encrypted."""

    def __init__(self, folder: Path, identity: str | None) -> None:
        self.asked = 0
        self.landing = LocalSourceLanding(
            folder / "shop", "shop", Encryption(LandingSettings(encrypt=PUBLIC, identity=identity))
        )
        self.landing.prepare()
        api = parse_api(built_in()["skubana-assessment"].read_text(encoding="utf-8"), "once.toml")
        settings = SourceSettings(api="skubana-assessment", base_url="http://shop.test")
        self.source = Source("shop", settings, api, send=self.send)

    def send(self, request: Request, progress: ResponseSink) -> Response:
        self.asked += 1
        progress.answered(200)
        return Response(200, {}, b"[]")

    def pull(self) -> PullResult:
        return self.source.pull(self.landing, ResumePoint(), Stop(), lambda _: None)


def test_a_response_in_flight_waits_for_the_key(tmp_path: Path) -> None:
    """After a kill a machine without the key asks for nothing; with the key nothing is lost."""
    killed = OneSource(tmp_path, None)
    draft = killed.landing.begin_request(1, "GET http://shop.test/orders", reserve=4096)
    draft.answered(200)
    for piece in (SECRET_BODY[:20], SECRET_BODY[20:]):
        draft.write(piece)
    draft.close()
    without = OneSource(tmp_path, None)
    with pytest.raises(KeyMissing, match=r"000000000001\.part waits.*identity is not set"):
        without.pull()
    assert (without.asked, without.landing.pages()) == (0, [])
    reader = OneSource(tmp_path, str(IDENTITY))
    pulled = reader.pull()
    assert (pulled.error, pulled.pages, reader.asked) == (None, [1], 1)
    assert reader.landing.read(1)[1] == SECRET_BODY
    # A kill before the status leaves nothing encrypted: a possible loss, with the key or without.
    OneSource(tmp_path, None).landing.begin_request(2, "GET http://shop.test/orders").close()
    assert OneSource(tmp_path, None).pull().possible_loss == [2]


def test_what_is_handed_over_in_memory_needs_no_key(tmp_path: Path) -> None:
    """A run loads its own pages past the landing, where they are encrypted."""
    settings = shop_settings(tmp_path, "http://shop.test")
    file = tmp_path / "orderpull.toml"
    file.write_text(f'[landing]\nencrypt = "{PUBLIC}"\n{file.read_text("utf-8")}', encoding="utf-8")
    answers = [SECRET_BODY, b"[]"]

    def send(request: Request, progress: ResponseSink) -> Response:
        progress.answered(200)
        return Response(200, {}, answers.pop(0))

    result = run(read_settings(file), send=send).sources["shop"]
    assert (result.error, result.counts.inserted, result.waiting) == (None, 1, 0)
    assert rows(tmp_path, "SELECT name FROM order_address") == [(NAME,)]
    landing = open_landing(settings.landing, tmp_path).source("shop")
    assert landing.meta(1).encrypted == "age"


def test_a_file_of_this_process_is_encrypted_too(tmp_path: Path) -> None:
    """The download of an export: no plain line on the disk, the same lines twice."""
    text = b"".join(b'{"id": %d, "name": "%s"}\n' % (n, NAME.encode()) for n in range(500)) + b"end"
    for encryption in (Encryption(), Encryption(LandingSettings(encrypt=PUBLIC))):
        file = SealedFile(tmp_path / "export.jsonl", encryption)
        with file.writing() as write:
            for at in range(0, len(text), 1000):
                write(text[at : at + 1000])
        assert (NAME.encode() in file.path.read_bytes()) is (encryption.method is None)
        assert list(file.lines()) == list(file.lines()) == text.splitlines(keepends=True)


def test_a_cut_off_frame_is_left_out() -> None:
    """Of a file that ends within a frame, the whole frames count."""
    data = frame(b"one") + frame(b"two")
    assert list(frames_of(BytesIO(data[:-1]))) == [b"one"]
    assert list(frames_of(BytesIO(data + bytes(9)))) == [b"one", b"two"]


@pytest.mark.slow
def test_the_whole_way_without_a_plain_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pull and load, load again, replay and cat: equal to a plain landing; nothing plain is left."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    home = tmp_path / "home"
    home.mkdir()
    file = home / "orderpull.toml"

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["--config", str(file), *arguments])
        assert result.exit_code == code, result.output
        return result.output

    def encrypted(identity: bool) -> None:
        lines = f'encrypt = "{PUBLIC}"\n' + (f'identity = "{IDENTITY}"\n' if identity else "")
        file.write_text(f"[landing]\n{lines}{plain}", encoding="utf-8")

    shop = SkubanaAssessment(orders=90, per_call=30, seed=9, malformed=3)
    with Simulator(shop) as simulator:
        shop_settings(home, simulator.url)
        plain = file.read_text(encoding="utf-8")
        encrypted(identity=False)
        assert "this machine cannot load pages" in call("check")
        call("pull")
        assert "waits, because it is encrypted" in call("load", code=1)
        assert json.loads(call("status", "--json"))["sources"]["shop"]["waiting"] == 3
        encrypted(identity=True)
        call("load")
        call("replay")
        body = call("landing", "cat", "2")
        assert "(age)" in call("landing", "list")
    names = [row[0] for row in rows(home, "SELECT name FROM order_address WHERE length(name) > 6")]
    assert len(names) > 50
    assert len(json.loads(body)) == 30
    everything = b"\n".join(files_below(home / "landing", temporary))
    assert not [name for name in names if name.encode() in everything]
    assert str(IDENTITY) not in call("config")
    (page,) = home.rglob("000000000002.json.zst")
    data = page.read_bytes()
    page.write_bytes(data[:-9] + bytes([data[-9] ^ 4]) + data[-8:])
    assert "1 page is damaged (2)" in " ".join(call("doctor", code=1).split())
    assert "page 2" in call("verify", "--repair", code=1)

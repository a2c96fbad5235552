"""A page's file: read by every zstd reader, and known again byte for byte."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpull.errors import CorruptPage, LandingError
from orderpull.landing.page import PageMeta, Part, decode, decode_meta, digest, encode
from tests.landing.landings import Place
from tests.landing.pages import BODY, land, meta

EVERYTHING_SAID = meta(
    7,
    state="damaged",
    possible_loss=True,
    problem="the connection was reset",
    kind="listing",
    parts=[Part(20), Part(33, position=4, children=1)],
    cursor_after="2026-11-22T14:07:48.123456Z",
)


def test_metadata_and_body_come_back_as_they_were_landed(place: Place) -> None:
    """What was landed is read again, each field and each byte."""
    landing = place.open()
    landing.land(EVERYTHING_SAID, BODY)
    assert landing.read(7) == (EVERYTHING_SAID, BODY)
    assert landing.meta(7) == EVERYTHING_SAID


@pytest.mark.slow
@given(body=st.binary(max_size=300), problem=st.none() | st.text(max_size=30))
def test_any_body_and_any_problem_survive(body: bytes, problem: str | None) -> None:
    """No body, however odd, and no text in the metadata is changed."""
    said = meta(1, body, problem=problem)
    assert decode(b"".join(encode(said, body)), 1, "here") == (said, body)


def file_of(place: Place, folder: Path) -> Path:
    """The file of page 1, in *folder*."""
    file = folder / "page.json.zst"
    file.write_bytes(place.get(place.name_of(1)))
    return file


def test_zstd_reads_the_body_alone(place: Place, tmp_path: Path) -> None:
    """``zstd -d`` gives the body and skips the metadata."""
    program = shutil.which("zstd")
    if program is None:
        pytest.skip("there is no zstd program here")
    landing = place.open()
    land(landing)
    file = file_of(place, tmp_path)
    done = subprocess.run([program, "-dc", file], capture_output=True, check=True)
    assert done.stdout == BODY


@pytest.mark.parametrize("orders", [2, 20_000])
def test_duckdb_reads_the_orders_as_they_are(place: Place, orders: int, tmp_path: Path) -> None:
    """DuckDB's ``read_json_objects`` reads a page's file, small or large, without help."""
    landing = place.open()
    texts = [f'{{"orderNumber":"{number}"}}' for number in range(orders)]
    body = f"[{','.join(texts)}]".encode()
    land(landing, body, orders=orders)
    rows = duckdb.execute(
        "SELECT json FROM read_json_objects(?, format = 'array', maximum_object_size = 16777216)",
        [str(file_of(place, tmp_path))],
    ).fetchall()
    assert [row[0] for row in rows] == texts


def test_no_changed_byte_goes_unseen(place: Place) -> None:
    """A page with any one byte changed is refused, or still has the body that was landed."""
    landing = place.open()
    land(landing)
    good = place.get(place.name_of(1))
    refused = 0
    for at in range(len(good)):
        for change in (0x01, 0x20, 0xFF):
            data = good[:at] + bytes([good[at] ^ change]) + good[at + 1 :]
            try:
                _, body = decode(data, 1, "here")
            except CorruptPage:
                refused += 1
            else:
                assert body == BODY
    assert refused > 2 * (len(good) - decode_meta(good, 1, "here")[1])


def test_no_shortened_page_is_read(place: Place) -> None:
    """A page cut off at any byte is refused, so an empty rest is never taken for no orders."""
    landing = place.open()
    land(landing)
    good = place.get(place.name_of(1))
    for length in range(len(good)):
        with pytest.raises(CorruptPage):
            decode(good[:length], 1, "here")


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "shortened": (lambda data: data[:-1], "cannot be decompressed"),
    "lengthened": (lambda data: data + b"[]", "cannot be decompressed"),
    "emptied": (lambda _: b"", "is not a landed page"),
    "unpacked": (lambda _: BODY, "is not a landed page"),
    "metadata": (lambda data: data[:8] + b"x" + data[9:], "its metadata cannot be read"),
}


@pytest.mark.parametrize("way", SPOILT)
def test_a_spoilt_page_is_named_with_what_to_do(place: Place, way: str) -> None:
    """The sentence names the file, what is wrong, and that it is to be restored."""
    spoil, said = SPOILT[way]
    landing = place.open()
    land(landing)
    name = place.name_of(1)
    place.put(name, spoil(place.get(name)))
    with pytest.raises(CorruptPage) as caught:
        landing.read(1)
    assert caught.value.message.startswith(f"{landing}/{name}")
    assert said in caught.value.message
    assert caught.value.hint.startswith("Restore 000000000001.json.zst from a backup")
    assert caught.value.exit_code == 1


def test_another_body_under_the_same_metadata_is_found_out(place: Place) -> None:
    """A body that was exchanged, in good zstd, is known by its hash."""
    landing = place.open()
    said = land(landing)
    head, _ = encode(said, BODY)
    other = encode(said, BODY.replace(b"A-1", b"B-9"))[1]
    place.put(place.name_of(1), head + other)
    with pytest.raises(CorruptPage, match="its sha256 differs"):
        landing.read(1)


def test_a_page_copied_over_another_is_found_out(place: Place) -> None:
    """A good page under another page's name is not taken for it."""
    landing = place.open()
    land(landing)
    land(landing)
    place.put(place.name_of(2), place.get(place.name_of(1)))
    for read in (landing.read, landing.meta):
        with pytest.raises(CorruptPage, match="is page 1, not page 2"):
            read(2)


def test_an_empty_body_is_a_page_too(place: Place) -> None:
    """A possible loss of which no byte arrived is kept, with the hash of nothing."""
    landing = place.open()
    land(landing, b"", state="damaged", orders=0, possible_loss=True)
    said, body = landing.read(1)
    assert (said.possible_loss, said.sha256, body) == (True, digest(b""), b"")


def test_a_missing_page_is_told(place: Place) -> None:
    """A page that is gone is named, and so is what to do."""
    landing = place.open()
    with pytest.raises(LandingError, match=r"Page 3 of source 'shop' is not in .*Restore"):
        landing.read(3)


def test_metadata_knows_no_secret_field() -> None:
    """What is kept beside a body is this list; whoever adds to it thinks of secrets."""
    assert PageMeta.__struct_fields__ == (
        "source", "page", "state", "status", "request", "received_at", "sha256", "size",
        "orders", "possible_loss", "problem", "kind", "parts", "cursor_after", "clock_ahead",
        "encrypted", "redacted",
    )  # fmt: skip

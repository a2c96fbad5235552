"""A landed page: a response body as received, after a frame of metadata.

A file is a zstd *skippable frame* with JSON metadata, then one zstd frame with the body. Zstd
readers such as ``zstd -d`` and DuckDB skip the metadata (RFC 8878, section 3.1.2). In an encrypted
landing that second frame is encrypted; the metadata are not, so that a pull can read them.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct, structs

from orderpull.errors import CorruptPage
from orderpull.landing.encryption import PLAIN, Encryption, Method

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIX = ".json.zst"
MONTH = re.compile(r"\d{4}-\d{2}")
"""Pattern of the name of a folder with pages."""

_NAME = re.compile(r"(\d{12})" + re.escape(SUFFIX))
_SKIPPABLE = (0x184D2A5A).to_bytes(4, "little")
_LEVEL = 1

Kind = Literal["orders", "listing", "export"]
State = Literal["whole", "damaged", "unexpected"]


class Part(Struct, frozen=True):
    """One of several responses in a page; a line feed separates them.

    :param size: bytes.
    :param position: index of its order in the first response's list; -1 for that response itself.
    :param children: index of the block ``[[children]]`` that requested the response.
    :param place: index in each list of the order that the block's ``key`` goes through.
    """

    size: int
    position: int = -1
    children: int = 0
    place: tuple[int, ...] = ()


class PageMeta(Struct, frozen=True):
    """Metadata of a page.

    :param source: the source's name.
    :param page: page number; each source counts its own.
    :param state: ``whole``: JSON with a list of orders; ``damaged``: incomplete or invalid JSON;
        ``unexpected``: JSON without a list of orders.
    :param status: HTTP status; 0 if none arrived.
    :param request: method and URL, secrets redacted.
    :param received_at: ISO 8601, UTC.
    :param sha256: of the body, hexadecimal.
    :param size: of the body, in bytes.
    :param orders: number of orders in the list of a whole page.
    :param possible_loss: true if orders may have been lost with this response.
    :param problem: the fault of the response, as a sentence.
    :param kind: ``orders``; ``listing``: the ids of all orders; ``export``: lines of a file that
        the API wrote.
    :param parts: the responses in the body, if there are several.
    :param cursor_after: position up to which the API has been read with this page.
    :param clock_ahead: seconds by which the API's clock was ahead of ours; None: not told.
    :param encrypted: how the body is encrypted; None: it is not.
    :param redacted: an order in it was forgotten; the body is then its pieces (:func:`join_pieces`)
        and no longer the response.
    """

    source: str
    page: int
    state: State
    status: int
    request: str
    received_at: str
    sha256: str
    size: int
    orders: int = 0
    possible_loss: bool = False
    problem: str | None = None
    kind: Kind = "orders"
    parts: list[Part] = []
    cursor_after: str | None = None
    clock_ahead: int | None = None
    encrypted: Method | None = None
    redacted: bool = False


def file_name(page: int) -> str:
    """File name of *page*."""
    return f"{page:012d}{SUFFIX}"


def page_numbers(names: Iterable[str]) -> Iterator[int]:
    """Numbers of the pages among the file *names*, in the same order."""
    return (int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def join_parts(bodies: Sequence[bytes]) -> bytes:
    """Several responses as the body of one page."""
    return b"\n".join(bodies)


def split_parts(meta: PageMeta, body: bytes) -> list[bytes]:
    """The responses in the *body* of a page with parts."""
    bodies, start = [], 0
    for part in meta.parts:
        bodies.append(body[start : start + part.size])
        start += part.size + 1
    return bodies


def join_pieces(pieces: Sequence[tuple[bytes, bool]]) -> bytes:
    """The body of a redacted page: the text of each order or fragment, in sequence.

    Line 1 is a JSON list of their sizes in bytes, negative for a fragment; a line feed separates
    the texts.

    :param pieces: each text, and whether it is one JSON value.
    """
    sizes = [len(text) if whole else -len(text) for text, whole in pieces]
    return b"\n".join([msgspec.json.encode(sizes), *(text for text, _ in pieces)])


def split_pieces(body: bytes) -> Iterator[tuple[bytes, bool]]:
    """The pieces in the *body* of a redacted page. See :func:`join_pieces`."""
    line, _, texts = body.partition(b"\n")
    start = 0
    for size in msgspec.json.decode(line, type=list[int]):
        yield texts[start : start + abs(size)], size > 0
        start += abs(size) + 1


def digest(body: bytes) -> str:
    """The sha256 of *body*, hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def encode(meta: PageMeta, body: bytes, encryption: Encryption = PLAIN) -> tuple[bytes, bytes]:
    """The two frames of a page's file: metadata, body.

    :raises KeyMissing: the body cannot be encrypted now.
    """
    head = msgspec.json.encode(structs.replace(meta, encrypted=encryption.method))
    frame = encryption.seal(zstd.compress(body, _LEVEL))
    return _SKIPPABLE + len(head).to_bytes(4, "little") + head, frame


def decode_meta(data: bytes, page: int, where: str) -> tuple[PageMeta, int]:
    """The metadata at the start of *data*, and the offset of the body's frame.

    :param where: the file, for the message.
    :raises CorruptPage: the metadata is missing or invalid, or belongs to another page than *page*.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] != _SKIPPABLE or len(data) < end:
        raise CorruptPage(f"{where} is not a landed page.", restore_hint(where))
    try:
        meta = msgspec.json.decode(data[8:end], type=PageMeta)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CorruptPage(f"{where}: its metadata cannot be read.", restore_hint(where)) from None
    if meta.page != page:
        raise CorruptPage(f"{where} is page {meta.page}, not page {page}.", restore_hint(where))
    return meta, end


def decode(
    data: bytes, page: int, where: str, encryption: Encryption = PLAIN
) -> tuple[PageMeta, bytes]:
    """Metadata and body of a page's file, after checking the hash.

    :raises CorruptPage: the file has changed since it was landed.
    :raises KeyMissing: the body is encrypted, and *encryption* has no key for it.
    """
    meta, start = decode_meta(data, page, where)
    frame = encryption.unseal(meta.encrypted, data[start:], where)
    try:
        body = zstd.decompress(frame)
    except zstd.ZstdError as error:
        message = f"{where} cannot be decompressed ({error})."
        raise CorruptPage(message, restore_hint(where)) from None
    if digest(body) != meta.sha256:
        message = f"{where} is not what was landed: its sha256 differs."
        raise CorruptPage(message, restore_hint(where))
    return meta, body


def restore_hint(where: str) -> str:
    """Hint for the file *where* of a landing that is missing or has changed."""
    return f"Restore {Path(where).name} from a backup; what came before it is loaded."

"""A landed page: the body as received, behind a frame of metadata that every reader skips.

A file is a zstd *skippable frame* with JSON metadata, then one zstd frame with the body, so
``zstd -d`` and DuckDB read it as it is (RFC 8878, section 3.1.2).
"""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from orderpull.errors import CorruptPage

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SUFFIX = ".json.zst"
_SKIPPABLE = (0x184D2A5A).to_bytes(4, "little")
_LEVEL = 1

Kind = Literal["orders", "listing", "export"]
State = Literal["whole", "damaged", "unexpected"]


class Part(Struct, frozen=True):
    """One of several answers that lie in a page one after the other, a line feed between them.

    :param size: in bytes.
    :param position: the order, in the first answer's list, that it belongs to; -1 for that answer.
    :param children: number of the block ``[[children]]`` that asked for it.
    """

    size: int
    position: int = -1
    children: int = 0


class PageMeta(Struct, frozen=True):
    """What is known of a page beside its body.

    :param source: the source's name.
    :param page: its number, growing by one for each source.
    :param state: ``whole``: JSON with a list of orders; ``damaged``: not all of the JSON is there
        or readable; ``unexpected``: JSON without a list of orders.
    :param status: the HTTP status; 0 if none arrived.
    :param request: method and URL, secrets taken out.
    :param received_at: ISO 8601, UTC.
    :param sha256: of the body, hexadecimal.
    :param size: of the body, in bytes.
    :param orders: how many orders the list holds, where it is whole.
    :param possible_loss: whether orders may have been lost with this answer.
    :param problem: what was wrong with the answer, in words.
    :param kind: ``orders``; ``listing``: the ids of all orders; ``export``: lines of a file that
        the API wrote.
    :param parts: where several answers make whole orders together: what the body is made of.
    :param cursor_after: how far the API has been read once this page is kept.
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


def join_parts(bodies: Sequence[bytes]) -> bytes:
    """Several answers as the body of one page."""
    return b"\n".join(bodies)


def split_parts(meta: PageMeta, body: bytes) -> list[bytes]:
    """The answers that a page with parts is made of."""
    answers, at = [], 0
    for part in meta.parts:
        answers.append(body[at : at + part.size])
        at += part.size + 1
    return answers


def digest(body: bytes) -> str:
    """The hash by which a body is known again."""
    return hashlib.sha256(body).hexdigest()


def encode(meta: PageMeta, body: bytes) -> tuple[bytes, bytes]:
    """The two frames of a page's file: metadata, body."""
    head = msgspec.json.encode(meta)
    return _SKIPPABLE + len(head).to_bytes(4, "little") + head, zstd.compress(body, _LEVEL)


def decode_meta(data: bytes, where: str) -> tuple[PageMeta, int]:
    """The metadata at the start of *data*, and where the body's frame begins.

    :raises CorruptPage: there is none; *where* names the file.
    """
    end = 8 + int.from_bytes(data[4:8], "little")
    if data[:4] != _SKIPPABLE or len(data) < end:
        raise CorruptPage(f"{where} is not a landed page.", restore_hint(where))
    try:
        return msgspec.json.decode(data[8:end], type=PageMeta), end
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CorruptPage(f"{where}: its metadata cannot be read.", restore_hint(where)) from None


def decode(data: bytes, where: str) -> tuple[PageMeta, bytes]:
    """Metadata and body of a page's file, its hash checked.

    :raises CorruptPage: the bytes are not those that were landed.
    """
    meta, start = decode_meta(data, where)
    try:
        body = zstd.decompress(data[start:])
    except zstd.ZstdError as error:
        message = f"{where} cannot be decompressed ({error})."
        raise CorruptPage(message, restore_hint(where)) from None
    if digest(body) != meta.sha256:
        message = f"{where} is not what was landed: its sha256 differs."
        raise CorruptPage(message, restore_hint(where))
    return meta, body


def restore_hint(where: object) -> str:
    """What to do about a file of the landing, *where*, that was changed."""
    return f"Restore {Path(str(where)).name} from a backup; what came before it is loaded."

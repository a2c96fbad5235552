"""Classify a response body that is not JSON."""

import re
import zlib
from collections.abc import Mapping

import msgspec

_PHP = re.compile(rb"(?:Notice|Warning|Deprecated|(?:Fatal|Parse) error)\b.* on line ", re.DOTALL)
_OPENS = re.compile(rb"[\[{]")
_ZSTD = b"\x28\xb5\x2f\xfd"
_CONTROL = re.compile(rb"[\x00-\x08]")
_ENCODINGS = {"br": "brotli", "deflate": "deflate", "zstd": "zstd"}

_LONGEST_PREFIX = 65_536
_MOST_STARTS = 100
"""Brackets at which JSON may begin after other text; more are not tried."""


def name_body(body: bytes, error: Exception, headers: Mapping[str, str]) -> str:
    """The kind of a *body* that is not JSON, as a sentence.

    :param error: the decoder's error.
    :param headers: header values by lower-case name.
    """
    if not body.strip():
        return "it is empty"
    if compression := _compression(body, error, headers):
        return f"it is compressed with {compression}"
    if at := _json_start(body):
        notice = _PHP.search(body, 0, at)
        text = "a PHP notice stands" if notice else f"{at} bytes of other text stand"
        return f"{text} before its JSON"
    if body.lstrip().startswith(b"<"):
        return "it is HTML, not JSON"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return f"it is not whole JSON ({str(error).rstrip('.')})"


def _compression(body: bytes, error: Exception, headers: Mapping[str, str]) -> str | None:
    """Name of the compression of *body* beyond one layer of gzip, which is unpacked before."""
    if body.startswith(b"\x1f\x8b"):
        return "gzip twice" if _unpacks(body, 31) else "gzip, which cannot be unpacked"
    if body.startswith(_ZSTD):
        return "zstd"
    if _unpacks(body, 15):
        return "deflate"
    encoding = _ENCODINGS.get(headers.get("content-encoding", "").strip().lower())
    is_text = not isinstance(error, UnicodeDecodeError) and not _CONTROL.search(body)
    return None if is_text else encoding


def _unpacks(body: bytes, wbits: int) -> bool:
    try:
        return bool(zlib.decompressobj(wbits).decompress(body, 1))
    except zlib.error:
        return False


def _json_start(body: bytes) -> int:
    """Offset of the JSON that ends *body* after other text; 0 without such text."""
    if body.lstrip()[:1] in {b"{", b"["}:
        return 0
    starts = _OPENS.finditer(body, 1, _LONGEST_PREFIX)
    for start, _ in zip(starts, range(_MOST_STARTS), strict=False):
        try:
            msgspec.json.decode(memoryview(body)[start.start() :], type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            continue
        return start.start()
    return 0

"""Searches for traces of a person in every byte that orderpull has written."""

import base64
import html
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_ZEROS = re.compile(rb"\0{64,}")
_ZSTD = (0xFD2FB528).to_bytes(4, "little")
_LEAST = 3
"""Bytes of base64 at whose ends the neighbours of a text show."""


def spellings(text: str) -> Iterator[bytes]:
    """The *text* as it may stand in a file, in lower case."""
    for each in {text, text.upper(), text.lower()}:
        escaped = json.dumps(each)[1:-1]
        for form in (
            each, escaped, escaped.replace("/", "\\/"), quote(each), quote(each, safe=""),
            quote_plus(each), html.escape(each),
        ):  # fmt: skip
            yield form.encode().lower()
        yield each.encode("utf-16-le").lower()


def in_base64(text: str) -> Iterator[bytes]:
    """The part of the base64 of *text* that is the same whatever stands around it."""
    for before in range(3):
        encoded = base64.b64encode(b" " * before + text.encode() + b" " * _LEAST)
        yield encoded[4 if before else 0 : -(_LEAST + 5)]


def traces(texts: Iterable[str], contents: Iterable[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Place and text of each of *texts* that is in the *contents* by place."""
    forms = {text: ({*spellings(text)}, {*in_base64(text)}) for text in texts}
    found = []
    for where, data in contents:
        opened = [_ZEROS.sub(b"\0", data)]
        if (start := data.find(_ZSTD)) >= 0 and where.endswith(".zst"):
            opened.append(zstd.decompress(data[start:]))
        everything = b"\0".join(opened)
        low = everything.lower()
        for text, (spelled, encoded) in forms.items():
            if any(form in low for form in spelled) or any(form in everything for form in encoded):
                found.append((where, text))
    return found


def files(*folders: Path) -> Iterator[tuple[str, bytes]]:
    """Each file below *folders*: its name, and the name and the content as bytes."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            yield name, name.encode() + (path.read_bytes() if path.is_file() else b"")

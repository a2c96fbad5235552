"""A container: landed pages in one file, each byte for byte as its own file was, and an index.

The files of consecutive pages follow one another, so that zstd readers read their bodies in turn.
The index at the end is a zstd skippable frame. It has the metadata, size and sha256 of each page,
so that one request tells of thousands of pages. A container never changes: one of a higher
generation replaces it.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate

import msgspec
from msgspec import Struct

from orderpull.errors import CorruptPage
from orderpull.landing.page import SUFFIX, PageMeta, file_name, page_numbers, restore_hint

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

FOLDER = "containers"
"""Name of the folder with the containers of a source."""

FULL_BYTES = 128 << 20
"""Bytes of pages from which a container is full."""

TAIL_BYTES = 256 << 10
"""Bytes at the end of a container that are read first: the index, unless it is longer."""

_NAME = re.compile(r"(\d{12})-(\d+)-(\d+)" + re.escape(SUFFIX))
_SKIPPABLE = (0x184D2A5C).to_bytes(4, "little")
_TAG = b"pages 1\n"
_END = 32 + 4 + len(_TAG)
"""Bytes after the compressed index: its sha256, its length, the tag."""

_LEVEL = 3


class Container(Struct, frozen=True):
    """The name of a container.

    :param last: number of its last page. :param count: number of its pages, without a gap.
    :param generation: of two containers with a page, the one with the higher generation counts.
    """

    last: int
    count: int
    generation: int = 1

    @classmethod
    def of(cls, name: str) -> "Container | None":
        """The container with the file *name*; None if it is not the name of one."""
        match = _NAME.fullmatch(name)
        return cls(*map(int, match.groups())) if match else None

    @property
    def name(self) -> str:
        """Its file name, in whose order containers of later pages come later."""
        return f"{self.last:012d}-{self.count}-{self.generation}{SUFFIX}"

    @property
    def key(self) -> str:
        """Its path, relative to the source's landing."""
        return f"{FOLDER}/{self.name}"

    @property
    def first(self) -> int:
        """Number of its first page."""
        return self.last - self.count + 1

    @property
    def pages(self) -> range:
        """Numbers of its pages."""
        return range(self.first, self.last + 1)


class Entry(Struct, frozen=True):
    """A page in a container.

    :param size: of its file, in bytes. :param sha256: of its file, hexadecimal.
    :param month: name of the folder in which it was landed.
    :param pull: id of the pull that landed it, in a landing that several machines share.
    """

    meta: PageMeta
    size: int
    sha256: str
    month: str
    pull: str = ""

    @classmethod
    def of(cls, meta: PageMeta, data: bytes, month: str, pull: str = "") -> "Entry":
        """The entry of the page with the file *data*."""
        return cls(meta, len(data), hashlib.sha256(data).hexdigest(), month, pull)

    @property
    def key(self) -> str:
        """Path of its own file, while it had one."""
        return f"{self.month}/{file_name(self.meta.page)}"


class Index:
    """The pages of a *container*, in the order of their numbers."""

    def __init__(self, container: Container, entries: Sequence[Entry]) -> None:
        self.container = container
        self.entries = entries

    @cached_property
    def ends(self) -> list[int]:
        """Offset of the end of each page."""
        return list(accumulate(entry.size for entry in self.entries))

    def at(self, page: int) -> tuple[Entry, int]:
        """Entry and offset of *page*, which is in the container."""
        at = page - self.container.first
        return self.entries[at], self.ends[at] - self.entries[at].size

    def encode(self) -> bytes:
        """The frame at the end of the file."""
        packed = zstd.compress(msgspec.json.encode(self.entries), _LEVEL)
        end = hashlib.sha256(packed).digest() + len(packed).to_bytes(4, "little") + _TAG
        return _SKIPPABLE + (len(packed) + _END).to_bytes(4, "little") + packed + end


def tail_size(tail: bytes, where: str) -> int:
    """The bytes that end a container with its index.

    :param tail: its last bytes, of any number. :param where: its path or URL, for messages.
    :raises CorruptPage: it is not whole.
    """
    if len(tail) < _END or not tail.endswith(_TAG):
        raise damaged(where, "its end is missing")
    return int.from_bytes(tail[-len(_TAG) - 4 : -len(_TAG)], "little") + _END


def decode_index(container: Container, tail: bytes, where: str) -> Index:
    """The index in the last bytes of *container*. Parameters as :func:`tail_size`.

    :raises CorruptPage: the index has changed.
    """
    packed, end = tail[-tail_size(tail, where) : -_END], tail[-_END:]
    if hashlib.sha256(packed).digest() != end[:32]:
        raise damaged(where, "its index has changed")
    try:
        entries = msgspec.json.decode(zstd.decompress(packed), type=list[Entry])
    except (zstd.ZstdError, msgspec.DecodeError):
        raise damaged(where, "its index cannot be read") from None
    if [entry.meta.page for entry in entries] != list(container.pages):
        raise damaged(where, "it holds other pages than its name says")
    return Index(container, entries)


def checked(entry: Entry, data: bytes, where: str) -> bytes:
    """The file *data* of the page of *entry*. :raises CorruptPage: it has changed."""
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise damaged(where, f"page {entry.meta.page} in it has changed")
    return data


def damaged(where: str, how: str) -> CorruptPage:
    """The error for a container."""
    return CorruptPage(f"{where} is damaged: {how}.", restore_hint(where))


def containers_of(names: Iterable[str]) -> Iterator[Container]:
    """The containers among file *names*."""
    return (container for name in names if (container := Container.of(name)))


def pages_of(key: str) -> range:
    """Numbers of the pages in the file at *key*: those of a container, one, or none."""
    name = key.rpartition("/")[2]
    container = Container.of(name)
    if container is not None:
        return container.pages
    return next((range(page, page + 1) for page in page_numbers([name])), range(0))

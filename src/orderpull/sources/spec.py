"""An API, as its ``.toml`` describes it: how it is asked and how its orders are read.

Built-in files lie in ``sources/apis/``. Errors name file, key and reason.
"""

import difflib
import tomllib
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path as File
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from orderpull.errors import ApiFileError
from orderpull.sources.mapping import (
    AddressSpec,
    LinesSpec,
    ListPath,
    Mapping,
    Misplaced,
    OrderSpec,
    keys,
    mapping_of,
)

__all__ = ["AddressSpec", "Api", "LinesSpec", "OrderSpec", "built_in", "parse_api", "read_api"]

Seconds = Annotated[float, Meta(ge=0)]


class RequestSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[request]``: the call that lists orders.

    :param path: appended to the source's ``base_url``.
    :param query: parameters that every call sends.
    :param headers: headers that every call sends.
    """

    path: str
    method: Literal["GET"] = "GET"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}


class AuthSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[auth]``: how the source's ``token`` is sent.

    :param kind: ``none``, ``bearer``, ``basic`` (token as ``user:password`` or as a user without
        one), or ``header``.
    :param header: the header's name, for ``header``.
    :param optional: whether a source may do without a token.
    :param basic_for: tokens that begin so are sent as ``basic`` all the same.
    """

    kind: Literal["none", "bearer", "basic", "header"] = "none"
    header: str = "Authorization"
    optional: bool = False
    basic_for: list[str] = []


class PagingSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[paging]``: how one page follows another.

    :param kind: ``single``: one call; ``drain``: the same call until it answers no orders;
        ``page``: a page number; ``offset``: a number of orders to skip.
    :param size: orders asked for at once, unless the source says otherwise.
    :param max_size: the most that the API allows.
    :param size_param: query parameter of the size.
    :param param: query parameter of the page number or offset.
    :param first: number of the first page.
    :param total: path, in the page, of the number of all orders.
    """

    kind: Literal["single", "drain", "page", "offset"] = "single"
    size: Annotated[int, Meta(ge=1)] | None = None
    max_size: Annotated[int, Meta(ge=1)] | None = None
    size_param: str | None = None
    param: str | None = None
    first: int = 1
    total: str | None = None


class CursorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[cursor]``: how only what changed is asked for.

    :param path: path, in the order, of the time it was changed.
    :param lower: query parameter of the lower bound.
    :param upper: query parameter of the upper bound, where there is one.
    :param inclusive: whether an order changed in the very instant of the lower bound is answered.
    :param precision: what times are rounded to.
    :param overlap: seconds that each run reads again, for orders that were written late.
    :param strategy: ``reseek`` where the API sorts by the cursor, ascending; ``window_verify``
        where it does not: the window is read until two passes agree.
    """

    path: str
    lower: str
    upper: str | None = None
    inclusive: bool = True
    precision: Literal["s", "ms", "us"] = "ms"
    overlap: Seconds = 120.0
    strategy: Literal["reseek", "window_verify"] = "reseek"


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: how gently the API wants to be asked.

    :param rate: requests per second at most.
    :param tries: how often one request is tried.
    :param wait_header: header that says how long to wait after 429 or 503.
    :param wait_unit: its unit: seconds (or an HTTP date), or milliseconds.
    """

    rate: Annotated[float, Meta(gt=0)] | None = None
    tries: Annotated[int, Meta(ge=1, le=20)] = 5
    wait_header: str = "Retry-After"
    wait_unit: Literal["s", "ms"] = "s"


class RecordsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[records]``: where the list of orders is in a page; ``$`` is the page itself.

    ``data.orders.edges[].node`` says that the orders are the ``node`` of each edge.
    """

    path: str = "$"


class Api(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A kind of orders API: one ``.toml``.

    :param title: its name for people.
    :param consume_once: whether what a call returned is never returned again.
    """

    title: str
    request: RequestSpec
    order: OrderSpec
    consume_once: bool = False
    auth: AuthSpec = AuthSpec()
    paging: PagingSpec = PagingSpec()
    cursor: CursorSpec | None = None
    limits: LimitsSpec = LimitsSpec()
    records: RecordsSpec = RecordsSpec()

    @cached_property
    def record_path(self) -> ListPath:
        """Where the orders are in a page."""
        return ListPath.parse(self.records.path)

    @cached_property
    def mapping(self) -> Mapping:
        """The parsed ``[order]``."""
        return mapping_of(self.order)


def built_in() -> dict[str, File]:
    """The built-in API files by name."""
    folder = resources.files("orderpull.sources") / "apis"
    files = [File(str(entry)) for entry in folder.iterdir() if entry.name.endswith(".toml")]
    return {file.stem: file for file in sorted(files)}


def read_api(name: str, folder: File) -> Api:
    """The API called *name*: a built-in one, or the path (from *folder*) of a ``.toml``.

    :raises ApiFileError: there is none, or it is wrong; the message names file, key and reason.
    """
    known = built_in()
    file = known.get(name, folder / name)
    if name not in known and not name.endswith(".toml"):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Built in: {', '.join(known)}."
        raise ApiFileError(f"There is no api {name!r}.", hint)
    try:
        return parse_api(file.read_text(encoding="utf-8"), file.name)
    except (OSError, UnicodeDecodeError) as error:
        raise ApiFileError(f"The api file {file} cannot be read: {error}.") from None


def parse_api(text: str, where: str) -> Api:
    """The API that *text* describes; *where* names it in errors, as in :func:`read_api`."""
    try:
        api = msgspec.convert(tomllib.loads(text), Api)
    except tomllib.TOMLDecodeError as error:
        raise ApiFileError(f"{where} is not TOML: {error}.") from None
    except msgspec.ValidationError as error:
        message, _, place = str(error).partition(" - at `$")
        key = place.rstrip("`").lstrip(".") or "the file"
        raise ApiFileError(f"{where}: {key}: {message}.", "See docs/apis.md.") from None
    for key, problem in _problems(api):
        raise ApiFileError(f"{where}: {key}: {problem}.", "See docs/apis.md.")
    return api


def _problems(api: Api) -> Iterator[tuple[str, str]]:
    """What is wrong with *api* beyond its types: key and reason."""
    yield from _misread(api)
    paging = api.paging
    if paging.kind in {"page", "offset"}:
        for key in ("param", "size"):
            if getattr(paging, key) is None:
                yield f"paging.{key}", f"paging by {paging.kind} needs it"
    if api.consume_once and paging.kind not in {"drain", "single"}:
        yield "paging.kind", "a consume-once API is read by drain or single"
    if api.consume_once and api.cursor:
        yield "cursor", "a consume-once API has none"
    if api.cursor and paging.kind == "drain":
        yield "paging.kind", "drain has no cursor"
    if api.cursor and api.order.modified_at is None:
        yield "order.modified_at", "an API with a cursor says when an order was changed"


def _misread(api: Api) -> Iterator[tuple[str, str]]:
    """Paths and expressions that say nothing: key and reason."""
    try:
        _ = api.record_path
    except ValueError as error:
        yield "records.path", str(error)
    try:
        _ = api.mapping
    except Misplaced as error:
        yield error.key, str(error)
    plain = {"cursor.path": api.cursor and api.cursor.path, "paging.total": api.paging.total}
    for key, path in plain.items():
        try:
            keys(path or "none")
        except ValueError as error:
            yield key, str(error)

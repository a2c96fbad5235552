"""Parse the facts about a page that paging, retries and the landing need.

The parser does not build the orders; ``normalize`` reads them later from the landed page.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import Raw

from orderpull.errors import HookFailed
from orderpull.sources.compact import DecodedPage
from orderpull.sources.handover import pull_decoder
from orderpull.sources.paging.child_requests import ChildRequest, child_request, flat_children
from orderpull.sources.paging.declared_error import ErrorReader
from orderpull.sources.paging.json_extract import (
    Extracted,
    JsonExtractor,
    flattened,
    is_utf8,
    without_lone_surrogates,
)
from orderpull.sources.paging.not_json import name_body
from orderpull.sources.paging.page_info import PageInfo
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import HEADER, ChildrenSpec
from orderpull.sources.spec.expression import paths
from orderpull.sources.spec.order import ListPath
from orderpull.sources.spec.times import parse_time, parse_times

_BOM = b"\xef\xbb\xbf"
_CONTROL = re.compile(rb"[\x00-\x1f]")
_LINK = re.compile(r"<([^>]*)>((?:\s*;[^,<]*(?:\"[^\"]*\")?)*)")
_RELATION = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]+))", re.IGNORECASE)
TOO_DEEP = "an order is nested too deep"
"""The problem of a page with an order that the decoder cannot read."""

_NOT_A_NUMBER = re.compile(rb"\bNaN\b|-?\bInfinity\b")


class PageParser:
    """Parses the pages of one API.

    :param children: parse child pages of this block ``[[children]]`` instead of order pages.
    :param for_loader: decode the orders for the loader, too.
    """

    def __init__(
        self, api: Api, children: ChildrenSpec | None = None, *, for_loader: bool = False
    ) -> None:
        block = children or api
        self._hook = api.functions.page
        self._paging = block.paging
        records = ListPath.parse(block.records.path)
        self._records = records.steps
        self._times = (api.order.time_format, api.order.timezone)
        self._errors, self._cost = ErrorReader(api.errors), api.limits.cost
        self._upper = None if children or not api.cursor else api.cursor.server_upper
        self._one = children is not None and children.one
        self._cursor = None if children else api.cursor
        # Orders of a consume-once API come once: there are no passes to compare.
        self._identity = [] if children or api.consume_once else _identity(api)
        self._children = [] if children else flat_children(api)
        self._order_extractor = JsonExtractor(None, self._order_paths(), records.inner)
        list_at = None if self._one else self._records
        null_is_empty = block.records.null == "empty"
        self._page_extractor = JsonExtractor(
            list_at, self._page_paths(), null_is_empty=null_is_empty
        )
        self._whole_extractor = JsonExtractor(
            list_at,
            self._page_paths(),
            null_is_empty=null_is_empty,
            record=self._order_extractor.type,
        )
        self._decoder = pull_decoder(api, self._order_extractor.paths) if for_loader else None
        if self._decoder is not None:
            self._loader_extractor = JsonExtractor(
                list_at,
                self._page_paths(),
                null_is_empty=null_is_empty,
                record=self._decoder.order_type,
            )
        self._error_extractor = JsonExtractor(None, self._error_paths())

    def parse(self, body: bytes, headers: Mapping[str, str] | None = None) -> PageInfo:
        """Parse the *body* and *headers* of a response."""
        try:
            body = self._hook(body) if self._hook else body
        except HookFailed as error:
            message = error.message.rstrip(".")
            return PageInfo("damaged", problem=message[0].lower() + message[1:], hook_error=error)
        info = self._parse_at_once(body, headers or {})
        return info or self._parse_tolerant(without_lone_surrogates(body), headers)

    def json(self, body: bytes) -> bytes:
        """*body*, converted to JSON by the hook if the API has one, without lone surrogates."""
        return without_lone_surrogates(self._hook(body) if self._hook else body)

    def _parse_tolerant(self, body: bytes, headers: Mapping[str, str] | None) -> PageInfo:
        if body.startswith(_BOM):
            info = self._parse_tolerant(body.removeprefix(_BOM), headers)
            if info.state == "whole":  # some JSON readers reject a byte order mark
                info.state, info.problem = "damaged", "it begins with a byte order mark"
            return info
        try:
            info = self._parse(body, headers or {})
        except RecursionError:
            return self._parse_deep(body, headers)
        if info.state == "damaged" and (repaired := _repair(body)) != body:
            tolerant = self._parse(repaired, headers or {})
            if tolerant.has_records:
                return replace(tolerant, state="damaged", is_json=False, problem=info.problem)
        return info

    def _parse_deep(self, body: bytes, headers: Mapping[str, str] | None) -> PageInfo:
        """Parse a *body* nested too deep: a damaged page, but complete if only its orders are."""
        flat = flattened(body)
        if flat == body:
            return PageInfo("damaged", problem="it is nested too deep")
        info = self._parse_tolerant(flat, headers)
        if info.state == "whole":
            info.state, info.problem = "damaged", TOO_DEEP
        return info

    def read(self, body: bytes) -> list[Raw]:
        """The raw orders of a response, with null for what is nested too deep.

        :raises msgspec.DecodeError: the response is not valid JSON.
        """
        body = self.json(body)
        try:
            return self.records(body)
        except RecursionError:
            return self.records(flattened(body))

    def records(self, body: bytes) -> list[Raw]:
        """The raw orders of a page. :raises msgspec.DecodeError: the page is not valid JSON."""
        return self._listed(body, self._page_extractor.decode(body)) or []

    def readable_records(self, body: bytes) -> list[Raw]:
        """The raw orders of a page that may hold invalid values, such as NaN; these replaced."""
        try:
            return self.read(body)
        except msgspec.DecodeError:
            return self.records(_repair(self.json(body).removeprefix(_BOM)))

    def _listed(self, body: bytes, page: Extracted) -> list[Raw] | None:
        """The raw records of a response; None if it has no list of them."""
        return [Raw(body)] if self._one else page.records

    def identity(self, body: bytes) -> str:
        """The id of the first order of a page. :raises msgspec.DecodeError: it cannot be read."""
        order = self._order_extractor.decode(self.records(self.json(body))[0])
        return " ".join(str(order.get(path)) for path in self._identity)

    def _page_paths(self) -> list[str]:
        """Paths of the values to extract from a page, beside its orders."""
        paging = self._paging
        paths = [paging.next, paging.more, self._upper, *self._error_paths()]
        if not (paging.total or "").startswith(HEADER):
            paths.append(paging.total)
        return [path for path in paths if path]

    def _error_paths(self) -> list[str]:
        cost = self._cost
        return self._errors.paths + ([cost.requested, cost.available, cost.restore] if cost else [])

    def _order_paths(self) -> list[str]:
        """Paths of the values to extract from each order."""
        paths = [*self._identity, self._cursor.path] if self._cursor else [*self._identity]
        for _, children in self._children:
            paths += [p for p in (children.key, children.more, children.next) if p]
        return paths

    def _parse(self, body: bytes, headers: Mapping[str, str]) -> PageInfo:
        try:
            if not is_utf8(body):
                body.decode()  # raises the error that tells the place
            page = self._page_extractor.decode(body)
        except msgspec.ValidationError:
            return self._parse_without_records(body, headers)
        except (UnicodeDecodeError, msgspec.DecodeError) as error:
            return PageInfo("damaged", problem=name_body(body, error, headers))
        records = self._listed(body, page)
        if records is None:
            return self._parse_without_records(body, headers)
        info = self._page_info(page, headers, len(records))
        if self._order_extractor.paths:
            self._read_orders(records, info)
        if not self._identity:
            info.fingerprints.append(hash(body))
        return info

    def _parse_at_once(self, body: bytes, headers: Mapping[str, str]) -> PageInfo | None:
        """Parse a page by one decoding, without a call for each order.

        :return: None for a page that needs a closer look, or has an order without id.
        """
        if not (self._order_extractor.paths or self._decoder) or not is_utf8(body):
            return None
        try:
            page, decoded = self._decoded(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        if (orders := page.records) is None:
            return None
        info = self._page_info(page, headers, len(orders))
        cursor = self._cursor
        info.decoded = decoded
        columns = [self._column(path, orders, decoded) for path in self._identity]
        times = self._column(cursor.path, orders, decoded) if cursor else [None] * len(orders)
        if not columns:
            info.fingerprints.append(hash(body))
        elif None in columns[0] and (None,) * len(columns) in zip(*columns, strict=True):
            return None
        else:
            info.fingerprints += _versions([*columns, times])
        if cursor:
            parsed = parse_times(times, *self._times)
            info.modified_times = [time for time in parsed if time is not None]
        if self._children:
            for position, order in enumerate(orders):
                info.child_requests += self._child_requests(
                    position, Extracted(self._order_extractor, order)
                )
        return info

    def _column(self, path: str, orders: list[Any], decoded: DecodedPage | None) -> list[Any]:
        """The value at *path* of each of *orders*, which are *decoded* for the loader or not."""
        if decoded is not None and decoded.orders is orders:
            return decoded.values(path)
        return self._order_extractor.column(path, orders)

    def _decoded(self, body: bytes) -> tuple[Extracted, DecodedPage | None]:
        """Decode a page, and for the loader: at once if all orders are of the kinds it expects.

        :raises msgspec.DecodeError: an order is no object, or there is no list of orders.
        """
        if self._decoder is None:
            return self._whole_extractor.decode(body), None
        with suppress(msgspec.ValidationError):
            page = self._loader_extractor.decode(body)
            if page.records is not None:
                return page, self._decoder.page_of(body, page.records)
        return self._whole_extractor.decode(body), self._decoder.decode_each(body)

    def _page_info(self, page: Extracted, headers: Mapping[str, str], orders: int) -> PageInfo:
        """The facts about a whole page beside its *orders*."""
        info = PageInfo("whole", is_json=True, has_records=True, orders=orders)
        info.total = self._count(page, headers, orders)
        self._read_next(page, headers, info)
        self._read_errors(page, info)
        return info

    def _parse_without_records(self, body: bytes, headers: Mapping[str, str]) -> PageInfo:
        """Classify a response without an order list, and read the error it may declare."""
        try:
            msgspec.json.decode(body, type=Raw)
        except msgspec.DecodeError as error:
            return PageInfo("damaged", problem=name_body(body, error, headers))
        position = f"under {'.'.join(self._records)!r}" if self._records else "at its top"
        problem = f"it is JSON without a list of orders {position}"
        problem = "it is JSON, but not an object" if self._one else problem
        info = PageInfo("unexpected", is_json=True, problem=problem)
        if self._errors.paths:
            with suppress(msgspec.DecodeError):
                page = self._error_extractor.decode(body)
                self._read_errors(page, info)
        return info

    def _count(self, page: Extracted, headers: Mapping[str, str], orders: int) -> int | None:
        """The total that the API reports; None if it is less than the *orders* of this page."""
        selector = self._paging.total
        if not selector:
            return None
        if selector.startswith(HEADER):
            text = headers.get(selector.removeprefix(HEADER).lower(), "")
            total: object = int(text) if text.isdecimal() and text.isascii() else None
        else:
            total = page.get(selector)
        return total if isinstance(total, int) and total >= orders else None

    def _read_next(self, page: Extracted, headers: Mapping[str, str], info: PageInfo) -> None:
        paging = self._paging
        if paging.kind == "link":
            info.next = next_link(headers.get("link", ""))
        elif paging.next:
            value = page.get(paging.next)
            valid = isinstance(value, str | int) and not isinstance(value, bool)
            info.next = str(value) if valid and str(value) else None
        if paging.more and (more := page.get(paging.more)) is not None:
            info.more = more not in (False, 0, "", "false")
        if self._upper:
            info.server_upper = parse_time(page.get(self._upper), *self._times)

    def _read_errors(self, page: Extracted, info: PageInfo) -> None:
        """Read the cost of the request, and the error that the response declares."""
        if cost := self._cost:
            points = [page.get(path) for path in (cost.requested, cost.available, cost.restore)]
            if all(isinstance(number, int | float) for number in points):
                requested, available, restored = map(float, points)
                info.cost = requested, available, restored
        info.error, info.error_message = self._errors.read(page)

    def _read_orders(self, records: list[Raw], info: PageInfo) -> None:
        """Read each order's modification time, fingerprint and child requests."""
        cursor = self._cursor
        for position, raw in enumerate(records):
            try:
                order = self._order_extractor.decode(raw)
            except msgspec.DecodeError:
                info.fingerprints.append(hash(bytes(raw)))
                continue
            text = order.get(cursor.path) if cursor else None
            identity = [order.get(path) for path in self._identity]
            known = any(part is not None for part in identity)
            info.fingerprints += (
                _versions([[each] for each in (*identity, text)]) if known else [hash(bytes(raw))]
            )
            if (modified := parse_time(text, *self._times)) is not None:
                info.modified_times.append(modified)
            info.child_requests += self._child_requests(position, order)

    def _child_requests(self, position: int, order: Extracted) -> Iterator[ChildRequest]:
        for number, children in self._children:
            if child := child_request(children, position, number, order.get):
                yield child


def _versions(columns: list[list[Any]]) -> Iterator[int]:
    """A hash of each order's version, from the parts of it in *columns*."""
    return map(hash, zip(*(map(str, column) for column in columns), strict=True))


def next_link(header: str) -> str | None:
    """The URL with relation ``next`` in the header ``Link`` (RFC 8288); None if absent."""
    for match in _LINK.finditer(header):
        relations = _RELATION.search(match[2])
        if relations and "next" in (relations[1] or relations[2]).lower().split():
            return match[1]
    return None


def _identity(api: Api) -> list[str]:
    """Paths of the order's id, or of its number if the API has no id."""
    steps = [path.steps for path in paths(api.mapping.id or api.mapping.number)]
    return ["".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in p).lstrip(".")
            for p in steps]  # fmt: skip


def _repair(body: bytes) -> bytes:
    """Replace invalid values in *body*, so that its orders can be counted; never landed."""
    text = body.decode(errors="replace").encode()
    text = _CONTROL.sub(b" ", text)
    return _NOT_A_NUMBER.sub(b"null", text)

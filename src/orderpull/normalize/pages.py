"""The texts of the orders in a page."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

import msgspec
from msgspec import structs

from orderpull.errors import HookFailed
from orderpull.landing.page import PageMeta, split_parts, split_pieces
from orderpull.normalize.salvage import PageLayout, Piece, printable, salvage
from orderpull.sources.compact import CompactPage, page_in_run
from orderpull.sources.duplicate_keys import has_duplicate_key
from orderpull.sources.paging.child_requests import append_records
from orderpull.sources.paging.json_extract import JsonExtractor, without_lone_surrogates
from orderpull.sources.paging.page_parser import TOO_DEEP, PageParser
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.order import ElementPath, ListPath


@dataclass(frozen=True, slots=True)
class StagedPage:
    """A page to normalize.

    :param meta: its metadata.
    :param body: returns its body, after checking the hash.
    :param compact: returns its orders, once, if the pull has handed them over.
    :param source: name of its source. :param index: index of that source in the run.
    :param key: returns the key under which its customers are hashed; without a key they are not.
    """

    meta: PageMeta
    body: Callable[[], bytes]
    compact: Callable[[], CompactPage | None] = lambda: None
    source: str = ""
    index: int = 0
    key: Callable[[], bytes] = lambda: b""

    @property
    def number(self) -> int:
        """Its number in the run, in which several sources may have a page of the same number."""
        return page_in_run(self.index, self.meta.page)


class PageTexts:
    """Splits pages into the texts of their orders.

    :param layout: layout of the orders in a page.
    """

    def __init__(self, api: Api, layout: PageLayout) -> None:
        self._reader = PageParser(api)
        self._children = [(block, PageParser(api, block)) for block in api.children]
        self._made = api.functions.page is not None
        self._export = api.export
        self._layout = layout

    def is_plain(self, page: StagedPage) -> bool:
        """True for one whole response, as it came."""
        made = self._made or page.meta.parts or page.meta.kind == "export" or page.meta.redacted
        return page.meta.state == "whole" and not made

    def pieces(self, page: StagedPage, body: bytes) -> list[Piece]:
        """The elements of the list of orders, and the fragments of a damaged page."""
        if page.meta.redacted:
            return [Piece(text.decode(), whole) for text, whole in split_pieces(body)]
        if page.meta.kind == "export":
            return list(self._assembled(body))
        if page.meta.parts:
            return self._join_children(page, body)
        body = self._json(body)
        if page.meta.state == "unexpected" or self._ambiguous(page, body):
            return [Piece(printable(body), whole=False)]
        if page.meta.state == "whole" and (records := self._records(body)) is not None:
            return [Piece(bytes(raw).decode(), whole=True) for raw in records]
        return salvage(body, self._layout)

    def at(self, page: StagedPage, positions: Collection[int]) -> dict[int, str]:
        """The pieces at *positions*, as received."""
        pieces = self.pieces(page, page.body()) if positions else []
        return {position: pieces[position].text for position in positions}

    def _json(self, body: bytes) -> bytes:
        """The result of the API's hook for *body*; *body* itself if the hook fails."""
        try:
            return self._reader.json(body)
        except HookFailed:  # the page is damaged
            return body

    def _join_children(self, page: StagedPage, body: bytes) -> list[Piece]:
        """The orders of a page of several responses, each with its child records."""
        first, *bodies = split_parts(page.meta, body)
        inner = replace(page, meta=structs.replace(page.meta, parts=[]))
        pieces = self.pieces(inner, first)
        for part, child_body in zip(page.meta.parts[1:], bodies, strict=True):
            block, reader = self._children[part.children]
            records = reader.read(child_body)
            piece = pieces[part.position]
            if piece.whole:
                into = (*self._layout.inner, *ElementPath.parse(block.into).within(part.place))
                pieces[part.position] = Piece(append_records(piece.text, into, records), whole=True)
        return pieces

    def _assembled(self, body: bytes) -> Iterator[Piece]:
        """The orders of an export, each assembled with its lines as in a page."""
        if self._export is None:
            yield Piece(printable(body), whole=False)
            return
        spec, into = self._export, ListPath.parse(self._export.into)
        extractor = JsonExtractor(None, [spec.parent])
        order: bytes | None = None
        children: list[msgspec.Raw] = []
        for line in [*without_lone_surrogates(body).splitlines(), None]:
            if line is not None and extractor.decode(line).get(spec.parent) is not None:
                children.append(msgspec.Raw(_wrap(into.inner, line)))
                continue
            if order is not None:
                text = append_records(order.decode(), into.steps, children)
                yield Piece(_wrap(self._layout.inner, text.encode()).decode(), whole=True)
            order, children = line, []

    def _records(self, body: bytes) -> list[msgspec.Raw] | None:
        """The elements of a whole page's list; None if they are nested too deeply.

        The recursion limit depends on the calling code: at landing the page may have been readable.
        """
        try:
            return self._reader.records(body)
        except RecursionError:
            return None

    def problem(self, page: StagedPage, body: bytes) -> tuple[str, str]:
        """Reason and message for the fragments of *page*."""
        why = f": {page.meta.problem}" if page.meta.problem else ""
        if page.meta.state == "unexpected":
            return "page_unexpected", f"the page holds no list of orders{why}"
        if page.meta.problem == TOO_DEEP:
            return "order_unreadable", "the order is nested too deep to be read"
        if page.meta.state == "damaged":
            return "page_damaged", f"what is left of a damaged page{why}"
        if self._ambiguous(page, body):
            return "page_unexpected", "the page holds two lists of orders under one key"
        return "order_unreadable", "the order's JSON is beyond what can be read"

    def _ambiguous(self, page: StagedPage, body: bytes) -> bool:
        if page.meta.kind == "export" or page.meta.redacted:
            return False
        if page.meta.parts:
            body = split_parts(page.meta, body)[0]
        body = self._json(body)
        return page.meta.state == "whole" and has_duplicate_key(body, self._layout.path)


def _wrap(keys: tuple[str, ...], text: bytes) -> bytes:
    """Nest the JSON *text* in objects under *keys*."""
    for key in reversed(keys):
        text = b"{" + msgspec.json.encode(key) + b":" + text + b"}"
    return text

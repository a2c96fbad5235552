"""Erase the found orders of one source: note them, then tables, then pages.

Each step may be killed and repeated. The note comes first: from then on no load and no pull brings
the persons back, and the orders can be found again without their names.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime

from orderpull.destinations.erase import Erased, NewReject, erase, renew_pages
from orderpull.failpoints import failpoint
from orderpull.forget.search import Matches
from orderpull.landing.forgotten import Forgotten
from orderpull.landing.page import PageMeta
from orderpull.loading.pages import PageLoader
from orderpull.normalize.masking import Masking, redacted, unquoted
from orderpull.normalize.page_redactor import PageRedactor
from orderpull.normalize.redact import OrderRedactor


@dataclass(slots=True)
class Counts:
    """The number of things erased in one source.

    :param orders: numbers of the orders. :param persons: rows of ``order_address``.
    :param rejects: texts of rejects. :param pages: landed pages with such an order.
    :param rewritten: of these, rewritten now. :param unfinished: files that a kill had left.
    :param left: a sentence for each copy that could not be deleted.
    """

    orders: list[str] = field(default_factory=list)
    persons: int = 0
    rejects: int = 0
    pages: int = 0
    rewritten: int = 0
    unfinished: int = 0
    left: list[str] = field(default_factory=list)


class SourceErasure:
    """An erasure in the pages and tables that *pages* loads; the caller holds the pull's lock."""

    def __init__(self, pages: PageLoader, matches: Matches) -> None:
        self._pages = pages
        self._source = pages.source
        self._landing = pages.landing
        self._matches = matches
        self.forgotten = Forgotten.read(pages.landing)
        self.counts = Counts(list(matches.numbers))

    def begin(self, by: str, at: datetime, criteria: str) -> None:
        """Note durably which orders are forgotten, before anything is erased."""
        self.forgotten.begin(self._landing, by, at, criteria, self._matches.identities)
        failpoint("forgotten-noted")

    def erase(self) -> None:
        """Erase in tables and pages.

        :raises OrderpullError: a step failed; another erasure goes on there.
        """
        self.counts.unfinished = self._landing.drop_unfinished()
        rows = self._erase_rows()
        self.counts.persons, self.counts.rejects = rows.persons, rows.rejects
        self.counts.orders = [*dict.fromkeys([*self.counts.orders, *rows.orders])]
        pages = list(self._redact_pages())
        renew_pages(self._pages.loader, self._source.name, pages)

    def finish(self) -> None:
        """Note durably that the erasure is finished."""
        self.forgotten.finish(self._landing)

    def _erase_rows(self) -> Erased:
        ids = [order_id for order_id, _, _ in self._matches.identities if order_id]
        return erase(
            self._pages.loader, self._source.name, ids, self._new_hashes(), list(self._rejects())
        )

    def _new_hashes(self) -> dict[str, str]:
        """The content hash of each version without its person, by the one with it."""
        names = self._source.settings.keep_names
        stage = self._pages.loader.stage
        masking = Masking.of(stage, self._source.api, self._landing, names)
        hashes: dict[str, str] = {}
        for batch in self._pages.batches(sorted({page for page, _ in self._matches.keys})):
            self._pages.normalizer.normalize(batch, self._matches.keys)
            masking.mask_names()
            query = "SELECT content_hash FROM staged_order ORDER BY page, position"
            before = stage.execute(query).fetchall()
            masking.mask_forgotten()
            after = stage.execute(query).fetchall()
            hashes |= {old: new for (old,), (new,) in zip(before, after, strict=True)}
        return hashes

    def _rejects(self) -> Iterator[NewReject]:
        """The open rejects of forgotten orders whose text is to be replaced."""
        redactor = OrderRedactor(self._source.api)
        for reject in self._pages.loader.rejects(self._source.name):
            raw = reject.raw
            if self.forgotten.covers(reject.order_id, reject.ordernumber, raw):
                new = redacted(redactor, self.forgotten.key, raw)
                key = _key_of(new) if reject.reject_key == _key_of(raw) else reject.reject_key
                message = unquoted(reject.reason, reject.message)
                if (new, message) != (raw, reject.message):
                    yield NewReject(reject.reject_key, key, new, message)

    def _redact_pages(self) -> Iterator[PageMeta]:
        """Rewrite the pages with a found order; yield the metadata of all of them."""
        template, api = self._source.settings.ordernumber, self._source.api
        positions: dict[int, set[int]] = defaultdict(set)
        for page_number, position in self._matches.keys:
            positions[page_number].add(position)
        with closing(PageRedactor(api, template, self.forgotten)) as redactor:
            for numbers in self._landing.rewritten_together(self._matches.pages):
                redacted_pages, changed = [], []
                for number in numbers:
                    meta, body = self._landing.read(number)
                    page = (
                        redactor.redact_at(meta, body, positions[number])
                        if number in positions
                        else redactor.redact(meta, body)
                    )
                    if page is not None:
                        redacted_pages.append(page[0])
                        if not meta.redacted or page[1] != body:
                            changed.append(page)
                self._landing.rewrite(changed)
                self.counts.pages += len(redacted_pages)
                self.counts.rewritten += len(changed)
                failpoint("page-redacted")
                for each in redacted_pages:
                    self.counts.left += self._landing.drop_old_copies(each.page)
                    yield each


def _key_of(raw: str) -> str:
    """The key of a reject without id and number."""
    return f"raw {hashlib.md5(raw.encode(), usedforsecurity=False).hexdigest()}"

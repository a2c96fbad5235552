"""Refill: shape landed pages again after a migration, for the columns that it has added.

The migration notes the loaded pages of each source in the ledger. Each run shapes some of them
again after its own load, the oldest first, as a replay would. How far it is stands in the same
transaction as the rows, so a kill at any instant loses and repeats nothing. A replay of the source
ends it at once.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

from orderpull.errors import CorruptPage, Overtaken, RejectLimitExceeded
from orderpull.loading.pages import PageLoader

REFILL_ORDERS = 20_000
"""Orders that a run shapes again, at most about: a second of CPU, so that no run comes late by it.
A million orders are done after 50 runs."""


def refill(pages: PageLoader) -> list[int]:
    """Shape some pages again, from the first that is noted; the last such call notes that all are.

    Passed by are lists of ids, which have no orders, and pages that are deleted (``keep_days``).

    :return: the pages that were given up, because they are damaged or have too many rejects.
    """
    if pages.state.refill is None:
        return []
    _, last = pages.state.refill
    given_up: list[int] = []
    chosen, following = _choose(pages, given_up)
    batches = deque(pages.batches(chosen))
    while batches:
        batch = batches.popleft()
        numbers = [page.meta.page for page in batch]
        after = numbers[-1] + 1 if numbers[-1] < chosen[-1] else following
        progress = replace(pages.state, refill=(after, last) if after <= last else None)
        try:
            pages.load_again(batch, counted=False, after=progress)
        except (CorruptPage, RejectLimitExceeded):
            if len(batch) > 1:
                batches.extendleft([page] for page in reversed(batch))
                continue
            given_up += numbers
            pages.state = progress
        except Overtaken:  # the next run goes on from what the other load has noted
            break
    else:
        if not chosen:
            pages.state = replace(pages.state, refill=None)
    return given_up


def _choose(pages: PageLoader, given_up: list[int]) -> tuple[list[int], int]:
    """The next pages with orders, and the page that follows what was looked at.

    :param given_up: gains the pages of which nothing can be read.
    """
    chosen, orders = list[int](), 0
    for number in _loaded(pages):
        if orders >= REFILL_ORDERS:
            return chosen, number
        try:
            meta = pages.landing.meta(number)
        except CorruptPage:
            given_up.append(number)
            continue
        if meta.kind != "listing" and meta.orders:
            chosen.append(number)
            orders += meta.orders
    return chosen, (pages.state.refill or (0, 0))[1] + 1


def _loaded(pages: PageLoader) -> Iterator[int]:
    """The landed pages within the noted ones that the ledger has as loaded."""
    first, last = pages.state.refill or (1, 0)
    if pages.state.landing != pages.landing.identity:
        return
    loaded = pages.loader.pages(pages.source.name, first)
    for number in pages.landing.pages(after=first - 1):
        if number > last:
            return
        if number in loaded and number not in pages.state.gaps:
            yield number

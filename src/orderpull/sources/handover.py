"""Hand decoded pages from the pull over to the loader of the same process, in memory.

A page is handed over after it is durable. What does not fit, or was not decoded, is read from the
landing, so that nothing depends on the hand-over.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from orderpull.sources.compact import CompactDecoder, CompactPage
from orderpull.sources.spec.api import Api

LIMIT = 32 << 20
"""Most bytes of pages that wait for the loader."""

PATIENCE = 5.0
"""Seconds that a pull waits, at most, for a loader that is behind."""


class Handover:
    """Decoded pages of all sources that wait for the loader.

    :param limit: most bytes. A page beyond it waits while the loader is at work: that costs less
        than to decode it again. Else it is left out, because the loader takes older pages first.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = self._left = limit
        self._loading = False
        self._pages: dict[tuple[str, int], tuple[Api, CompactPage]] = {}
        self._changed = threading.Condition()

    def put(self, source: str, page: int, api: Api, compact: CompactPage) -> None:
        """Hand over a landed page, decoded by the mapping of *api*."""
        size = len(compact.lines)
        with self._changed:
            if size <= self._limit:
                self._changed.wait_for(lambda: size <= self._left or not self._loading, PATIENCE)
            if size <= self._left:
                self._left -= size
                self._pages[source, page] = api, compact

    def take(self, source: str, page: int, api: Api) -> CompactPage | None:
        """Take a page out; None if it is not here, or was decoded by another *api*."""
        with self._changed:
            decoded_by, compact = self._pages.pop((source, page), (api, None))
            self._left += len(compact.lines) if compact else 0
            self._changed.notify_all()
        return compact if decoded_by is api else None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Tell, within the context, that the loader takes pages out."""
        self._tell(loading=True)
        try:
            yield
        finally:
            self._tell(loading=False)

    def _tell(self, *, loading: bool) -> None:
        with self._changed:
            self._loading = loading
            self._changed.notify_all()


def pull_decoder(api: Api, extra: list[str]) -> CompactDecoder | None:
    """The decoder of an API's pages for the pull; None if its pages are not landed as they come.

    :param extra: further paths to decode.
    """
    if api.functions.page is not None or api.children:
        return None
    try:
        return CompactDecoder(api, extra)
    except ValueError:
        return None

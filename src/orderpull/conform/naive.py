"""A plain page walk beside ours: what other loaders do, and what it loses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orderpull import clock
from orderpull.conform.trial import SOURCE, Trial
from orderpull.conform.values import at, value_of
from orderpull.settings import read_settings
from orderpull.sources.http.transport import ResponseSink
from orderpull.sources.paging.flows import PageRequest, iterate_pages, page_size
from orderpull.sources.paging.incremental import Window
from orderpull.sources.paging.page_info import PageParser
from orderpull.sources.pull import Source
from orderpull.sources.spec.times import parse_time


@dataclass
class NaiveClient:
    """Asks for what changed since the newest stamp it has seen, page after page to the end.

    :ivar seen: the newest version of each order that it was given, by id.
    """

    trial: Trial
    seen: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        """Read once, as a plain loader does."""
        settings = read_settings(self.trial.settings()).sources[SOURCE]
        api = self.trial.stage.api
        source = Source(SOURCE, settings, api)
        reader = PageParser(api)
        for body in self._pages(source, reader):
            for record in reader.records(body):
                self._note(msgspec.json.decode(record))
        source.client.close()

    def lost(self) -> list[str]:
        """The orders that it does not have as they are now."""
        shop = self.trial.shop
        wanted = self.trial.stage.truth(shop)["orders"]
        name = self.trial.stage.name_of
        newest = {name(shop, order): order.modified for order in shop.store.orders.values()}
        return [
            told for told in wanted
            if told not in self.seen or self.seen[told] < newest[told].replace(tzinfo=None)
        ]  # fmt: skip

    def _pages(self, source: Source, reader: PageParser) -> Iterator[bytes]:
        api = source.api
        size = page_size(api.paging, source.size)
        steps = iterate_pages(api.paging, size, PageRequest(self._bounds(source)))
        ask = next(steps)
        try:
            while True:
                answer = source.exchange(source.request(ask), ResponseSink())
                yield answer.body
                ask = steps.send(reader.parse(answer.body, answer.headers))
        except StopIteration:
            return

    def _bounds(self, source: Source) -> dict[str, str | int]:
        cursor = source.api.cursor
        if cursor is None or source.start is None:
            return {}
        since = max(self.seen.values(), default=source.start)
        size = page_size(source.api.paging, source.size)
        return Window(source.api.paging, cursor, size, since, clock.now()).params(since)

    def _note(self, record: Any) -> None:  # noqa: ANN401 - JSON
        api = self.trial.stage.api
        order = at(record, api.record_path.inner)
        told = value_of(api.mapping.id or api.mapping.number, order) or ""
        modified = at(order, tuple(api.cursor.path.split("."))) if api.cursor else None
        stamp = parse_time(modified, api.order.time_format, api.order.timezone)
        self.seen[told] = max(self.seen.get(told, datetime.min), stamp or datetime.min)  # noqa: DTZ901

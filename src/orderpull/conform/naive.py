"""A plain page walk, as other loaders do it, and the orders that it loses."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from orderpull import clock
from orderpull.conform.trial import SOURCE, Trial
from orderpull.conform.values import at, value_of
from orderpull.settings import read_settings
from orderpull.sources.http.messages import ResponseSink
from orderpull.sources.paging.doubts import Doubts
from orderpull.sources.paging.flows import Pager, PageRequest, Params
from orderpull.sources.paging.page_parser import PageParser
from orderpull.sources.paging.window import Window
from orderpull.sources.pull import Source
from orderpull.sources.spec.times import parse_time

NEVER = datetime.min  # noqa: DTZ901 - the stamps that it is compared with have no zone


@dataclass
class NaiveClient:
    """Reads orders changed since its newest stamp, page after page to the end.

    :ivar seen: stamp of the newest version of each order that it read, by id.
    """

    trial: Trial
    newest_seen: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        """Read once, as a plain loader does."""
        settings = read_settings(self.trial.settings()).sources[SOURCE]
        api = self.trial.target.api
        source = Source(SOURCE, settings, api)
        reader = PageParser(api)
        for body in self._pages(source, reader):
            for record in reader.records(body):
                self._note(msgspec.json.decode(record))
        source.client.close()

    def lost(self) -> list[str]:
        """Return the ids of orders whose current version it did not read."""
        shop = self.trial.shop
        id_of = self.trial.target.name_of
        changed = {id_of(shop, order): order.modified for order in shop.store.orders.values()}
        return [
            order_id
            for order_id in self.trial.target.truth(shop)["orders"]
            if self.newest_seen.get(order_id, NEVER) < changed[order_id].replace(tzinfo=None)
        ]

    def _pages(self, source: Source, reader: PageParser) -> Iterator[bytes]:
        api = source.api
        steps = Pager(api.paging, source.size).pages(PageRequest(self._bounds(source)))
        ask = next(steps)
        try:
            while True:
                response = source.send(source.authenticate(source.request(ask)), ResponseSink())
                yield response.body
                ask = steps.send(reader.parse(response.body, response.headers))
        except StopIteration:
            return

    def _bounds(self, source: Source) -> Params:
        cursor = source.api.cursor
        if cursor is None or source.start is None:
            return {}
        since = max(self.newest_seen.values(), default=source.start)
        pager = Pager(source.api.paging, source.size)
        return Window(pager, cursor, since, clock.now(), Doubts()).params(since)

    def _note(self, record: Any) -> None:  # noqa: ANN401 - JSON
        api = self.trial.target.api
        order = at(record, api.record_path.inner)
        order_id = value_of(api.mapping.id or api.mapping.number, order) or ""
        modified = at(order, tuple(api.cursor.path.split("."))) if api.cursor else None
        stamp = parse_time(modified, api.order.time_format, api.order.timezone)
        self.newest_seen[order_id] = max(self.newest_seen.get(order_id, NEVER), stamp or NEVER)

"""The scope of a comparison, and its interface."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from orderpull.destinations.ledger import Rows
from orderpull.destinations.protocol import Destination, Reader
from orderpull.landing.protocol import SourceLanding
from orderpull.settings import Settings
from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import Source
from orderpull.verify.result import Difference, SourceVerified, Where


@dataclass
class Scope:
    """One source and a span of time, to be compared.

    :param source: the source, ready to send requests; its limits are shared with the others.
    :param since: compare what was landed or changed since then; None: everything.
    :param deep: compare by every value that can be compared, not by a sample.
    :param result: where a comparison counts what it compared and sent.
    :param delete_extra: a repair removes what no landed page holds.
    :param max_calls: most requests to the API; None: no limit.
    :param opened: the warehouse at the instant of this verification; None during a repair.
    """

    settings: Settings
    source: Source
    landing: SourceLanding
    destination: Destination
    since: datetime | None
    deep: bool
    stop: Stop
    max_calls: int | None = None
    result: SourceVerified = field(default_factory=SourceVerified)
    delete_extra: bool = False
    opened: Reader | None = None

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name

    def rows(self, statement: str, *values: object) -> Rows:
        """Run our own *statement*, with ``?`` for each value; the rows must fit in memory."""
        return self.reader.execute(statement, values)

    @property
    def reader(self) -> Reader:
        """The warehouse at the instant of this verification."""
        if self.opened is None:
            raise RuntimeError("a repair has no reader: it works on the warehouse itself")
        return self.opened


class Comparison(ABC):
    """A comparison of two places of the same orders.

    :ivar where: its name in the result.
    :ivar asks: it sends requests to the API.
    """

    where: Where
    asks: bool = False

    @abstractmethod
    def compare(self, scope: Scope) -> Iterator[Difference]:
        """Yield each difference of one source, and count in ``scope.result``.

        :raises OrderpullError: the source cannot be compared; the other comparisons go on.
        """

    def repair(self, scope: Scope, differences: Sequence[Difference]) -> None:
        """Put right what can be, of the *differences* that all comparisons have found.

        All that changes the tables takes the locks of a load. Killed at any instant it leaves
        nothing lost and nothing twice, and the next repair goes on.

        :raises OrderpullError: it could not be put right; the message says what to do.
        """
        del scope, differences

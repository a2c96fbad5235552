"""The orders of the landing: its loaded pages, loaded once more into a warehouse of their own.

The loader itself shapes and merges them, batch by batch, so that there is one rule for which
version of an order wins. Nothing outside of a temporary folder is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.destinations.protocol import RunRecord, SourceState
from orderpull.engine import duckdb
from orderpull.errors import (
    CorruptPage,
    DestinationError,
    Interrupted,
    LandingMismatch,
    OrderpullError,
)
from orderpull.landing.expired import expired_pages
from orderpull.landing.page import PageMeta
from orderpull.landing.protocol import SourceLanding
from orderpull.loading.pages import PageLoader, PendingPages
from orderpull.normalize.normalizer import Normalizers
from orderpull.verify.scope import Scope

_PAGES = "SELECT page, sha256 FROM orderpull_page WHERE source = ? ORDER BY page"
_FIRST = "SELECT min(page) FROM orderpull_page WHERE source = ? AND received_at >= ?"


@dataclass
class Landed:
    """The loaded pages of a source, as the landing has them.

    :param state: the ledger's state of the source.
    :param first: the first page that is compared; 1: all are.
    :param pages: pages that are loaded and landed.
    :param unloaded: landed pages that are neither loaded nor waiting.
    :param expired: loaded pages that ``keep_days`` has deleted.
    :param gone: other loaded pages that the landing has no longer.
    :param changed: pages that have changed since they were landed or loaded.
    :param listings: lists of ids among *pages*.
    :param file: the DuckDB file with the orders and rejects of *pages*, and ``unknown_order``: ids
        of which an excluded version was dropped, because no version was known before.
    """

    state: SourceState
    first: int = 1
    pages: list[int] = field(default_factory=list)
    unloaded: list[int] = field(default_factory=list)
    expired: list[int] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    listings: list[int] = field(default_factory=list)
    file: Path = Path()

    @property
    def partial(self) -> bool:
        """True if older pages were left out."""
        return self.first > 1

    @property
    def unread_listings(self) -> list[int]:
        """Lists of ids that are left out: what one marks depends on every page before it."""
        if self.partial:
            return self.listings
        missing = [*self.expired, *self.gone, *self.changed]
        return [page for page in self.listings if missing and page > min(missing)]

    @property
    def unseen(self) -> set[int]:
        """Loaded pages from :attr:`first` on of which nothing is in :attr:`file`."""
        return {*self.expired, *self.gone, *self.changed, *self.unread_listings}

    @property
    def whole(self) -> bool:
        """True if every loaded page is in :attr:`file`."""
        return not (self.partial or self.unseen)


def load_landed(scope: Scope, folder: Path) -> Landed:
    """Load the pages of *scope* into a warehouse in *folder*, which must be empty.

    :raises LandingMismatch: the warehouse has loaded another landing.
    :raises Interrupted: it was stopped.
    :raises OrderpullError: the temporary file cannot be written.
    """
    extent = sort_pages(scope)
    extent.file = folder / "landed.duckdb"
    with scratch_errors(scope):
        _load(scope, extent)
    return extent


@contextmanager
def scratch_errors(scope: Scope) -> Iterator[None]:
    """Raise errors of the temporary file as a sentence.

    :raises OrderpullError: it cannot be written, or memory does not suffice.
    """
    try:
        yield
    except (duckdb.Error, DestinationError) as error:
        reason = str(error.__cause__ or error).splitlines()[0].rstrip(".")
        raise OrderpullError(
            f"Landing and tables of {scope.name!r} could not be compared: {reason}.",
            f"Make room in {gettempdir()}, or name another folder by TMPDIR.",
        ) from error


def sort_pages(scope: Scope) -> Landed:
    """Sort the pages by what has become of them, without reading their bodies."""
    extent = Landed(ledger.read_state(scope.reader.execute, scope.name))
    _refuse_other(scope, extent.state)
    if scope.since is not None:
        first = scope.rows(_FIRST, scope.name, scope.since)[0][0]
        extent.first = extent.state.loaded_through + 1 if first is None else int(first)
    expired = expired_pages(scope.landing)
    extent.first = max(extent.first, expired.leading + 1)
    recorded: dict[int, str] = dict(scope.rows(_PAGES, scope.name))
    present = [p for p in scope.landing.pages(after=extent.first - 1) if p not in expired]
    if recorded and extent.first <= min(recorded):
        extent.first = 1
    through, gaps = extent.state.loaded_through, {*extent.state.gaps}
    for page in present:
        if page not in recorded:
            if page <= through and page not in gaps:
                extent.unloaded.append(page)
            continue
        meta = _meta(scope.landing, page)
        # A page of which an order was forgotten has another body than was loaded.
        if meta is None or (meta.sha256 != recorded[page] and not meta.redacted):
            extent.changed.append(page)
            continue
        extent.pages.append(page)
        if meta.kind == "listing":
            extent.listings.append(page)
    absent = {page for page in recorded if page >= extent.first}.difference(present)
    extent.expired = [page for page in absent if page in expired]
    extent.gone = sorted(absent.difference(extent.expired))
    extent.pages = sorted([*extent.pages, *extent.unloaded])
    return extent


def _meta(landing: SourceLanding, page: int) -> PageMeta | None:
    """Metadata of *page*; None if they cannot be read."""
    try:
        return landing.meta(page)
    except CorruptPage:
        return None


def _refuse_other(scope: Scope, state: SourceState) -> None:
    identity = scope.landing.identity
    if state.landing and state.landing != identity:
        raise LandingMismatch(
            f"The warehouse has loaded source {scope.name!r} from another landing than "
            f"{scope.landing}, so the two cannot be compared.",
            "Give back the landing that belongs to it.",
        )


def _load(scope: Scope, extent: Landed) -> None:
    """Load ``extent.pages``; pages that turn out to be damaged are moved to ``extent.changed``."""
    zone = ZoneInfo(scope.settings.report.timezone)
    destination = DuckdbDestination(extent.file, 0, zone, scope.destination.limits)
    try:
        while not _load_once(scope, destination, pages := _readable(extent)):
            bad = _first_damaged(scope, pages)
            extent.changed.append(bad)
            extent.pages.remove(bad)
    finally:
        destination.close()


def _readable(extent: Landed) -> set[int]:
    return {*extent.pages}.difference(extent.unread_listings)


def _load_once(scope: Scope, destination: DuckdbDestination, pages: set[int]) -> bool:
    """Load those of *pages* that are not loaded yet; return False at a damaged one."""
    with destination.loader() as loader:
        loading = PageLoader(
            scope.source,
            PendingPages(scope.landing, detached=True),
            loader,
            RunRecord(scope.name, "replay", clock.now()),
            Normalizers(loader.stage),
            accept_rejects=True,
        )
        loader.stage.execute("CREATE TABLE IF NOT EXISTS unknown_order (order_id VARCHAR)")
        try:
            for _ in loading.load(pages):
                loader.stage.execute("INSERT INTO unknown_order SELECT order_id FROM unknown")
                if scope.stop.requested:
                    raise Interrupted(scope.stop.signal)
        except CorruptPage:
            return False
    return True


def _first_damaged(scope: Scope, pages: set[int]) -> int:
    """The first of *pages* that cannot be read. :raises CorruptPage: each can be, alone."""
    for page in sorted(pages):
        try:
            scope.landing.read(page)
        except CorruptPage:
            return page
    raise CorruptPage(
        f"The pages of {scope.name!r} cannot be loaded again: one holds another number of orders "
        "than its metadata say.",
        "Run `orderpull replay`, which names it.",
    )

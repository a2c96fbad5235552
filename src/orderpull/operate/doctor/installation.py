"""The installation that is examined: settings, landing and warehouse, each read once."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

from orderpull import clock
from orderpull.destinations import open_destination
from orderpull.destinations.duckdb import DuckdbDestination
from orderpull.destinations.grants import READER
from orderpull.destinations.protocol import Destination
from orderpull.destinations.session import Session
from orderpull.errors import DestinationBusy, LandingError, OrderpullError
from orderpull.landing import open_landing
from orderpull.landing.container import FOLDER, pages_of
from orderpull.landing.lock import LockState
from orderpull.landing.protocol import Landing, SourceLanding
from orderpull.operate.doctor.facts import Facts, read_facts
from orderpull.schedule.state import ScheduleStatus, StateFile
from orderpull.settings import DEFAULT_FILE, Settings

TOLERANCE = timedelta(seconds=60)
"""Difference of two clocks that harms nothing."""

Value = TypeVar("Value")


class Once(Generic[Value]):
    """A property that is computed once. An error is kept, too, and raised again at each use.

    :param compute: the property. :param check: the check that reports its error.
    """

    def __init__(self, compute: Callable[[Any], Value], check: str) -> None:
        self._compute = compute
        self._check = check
        self.__doc__ = compute.__doc__

    def __get__(self, owner: "Installation", _: type) -> Value:
        """The value, or the error."""
        if self not in owner.computed:
            try:
                owner.computed[self] = self._compute(owner)
            except OrderpullError as error:
                owner.computed[self] = error
                owner.reported_by.setdefault(str(error), self._check)
        value = owner.computed[self]
        if isinstance(value, OrderpullError):
            raise value
        return value  # type: ignore[no-any-return]


def once(check: str) -> Callable[[Callable[[Any], Value]], Once[Value]]:
    """Decorate a property that is computed once. :param check: as for :class:`Once`."""
    return lambda compute: Once(compute, check)


class Installation:
    """The parts that the checks look at. One that cannot be read raises the same error each time.

    :param deep: look at all pages, not only at the newest months.
    :ivar computed: values and errors of parts. :ivar reported_by: the check that reports an error.
    """

    def __init__(self, settings: Settings, *, deep: bool = False) -> None:
        self.settings = settings
        self.deep = deep
        self.now = clock.now()
        self.sources = tuple(settings.sources)
        self.busy: DestinationBusy | None = None
        self.computed: dict[object, Any] = {}
        self.reported_by: dict[str, str] = {}

    def command(self, arguments: str) -> str:
        """The command ``orderpull ARGUMENTS`` as it is to be typed in this folder."""
        file = self.settings.file
        if file is None or file == Path.cwd() / DEFAULT_FILE:
            return f"orderpull {arguments}"
        return f"orderpull --config {self.quoted(file)} {arguments}"

    def sql(self, statement: str) -> str:
        """The command that runs *statement* in the warehouse."""
        if self.file is not None:
            return f'duckdb {self.quoted(self.file.path)} "{statement}"'
        if self.settings.destination.url.startswith("redshift:"):
            return f"{statement};"  # in any client: psql does not take such a URL
        url = re.sub(r"(://[^/:@]*):[^/@]*@", r"\1@", self.settings.destination.url)
        url = re.sub(r"[?&](ssl)?password=[^&]*", "", url)
        return f'psql {shlex.quote(url)} -c "{statement}"'

    def shown(self, path: Path | str) -> str:
        """*path* as a person writes it in this folder."""
        try:
            return str(Path(path).relative_to(Path.cwd())) if "://" not in str(path) else str(path)
        except ValueError:
            return str(path)

    def quoted(self, path: Path | str) -> str:
        """*path* for a command line."""
        return shlex.quote(self.shown(path))

    def time(self, instant: datetime) -> str:
        """*instant* (UTC) in ``report.timezone``, with its age."""
        moment = instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.settings.report.timezone))
        age = clock.ago(instant, self.now) if instant < self.now - TOLERANCE else ""
        return f"{moment:%Y-%m-%d %H:%M %Z}" + (f" ({age})" if age else "")

    @once("settings")
    def landing(self) -> Landing:
        """The landing of all sources."""
        return open_landing(self.settings.landing, self.settings.folder)

    @once("settings")
    def folder(self) -> Path | None:
        """The landing's folder; None if it is in a bucket."""
        url = self.settings.landing.url
        return None if "://" in url else (self.settings.folder / url).absolute()

    def part(self, source: str) -> SourceLanding:
        """The landing of *source*."""
        return self.landing.source(source)

    @once("landing")
    def store_clock(self) -> datetime | None:
        """The time by the clock of a bucket's store."""
        return self.landing.clock()

    @once("landing")
    def locks(self) -> dict[str, LockState]:
        """The lock of each source."""
        return {name: self.part(name).lock_state() for name in self.sources}

    @once("landing")
    def names(self) -> dict[str, list[str]]:
        """Paths of the files in the landing of each source; without ``deep`` of the newest."""
        return {name: list(self.part(name).names(recent=not self.deep)) for name in self.sources}

    @once("landing")
    def pages(self) -> dict[str, list[int]]:
        """Numbers of the pages among :attr:`names`, ascending; with ``deep`` of all.

        Of the containers all names are listed, and of the others only the newest months: pages
        before these are left out.
        """
        return {source: self._pages_among(names) for source, names in self.names.items()}

    def _pages_among(self, names: Iterable[str]) -> list[int]:
        files = [(pages_of(name), name.startswith(f"{FOLDER}/")) for name in names]
        single = [pages[0] for pages, packed in files if pages and not packed]
        first = 0 if self.deep or not single else min(single)
        packed = chain.from_iterable(pages for pages, is_packed in files if is_packed)
        return sorted({*single, *(page for page in packed if page >= first)})

    def first_page(self, source: str) -> int:
        """The lowest page that is looked at: older ones are compared only if ``deep``."""
        pages = self.pages[source]
        return pages[0] if pages and not self.deep else 0

    @once("settings")
    def destination(self) -> Destination:
        """The warehouse."""
        settings = self.settings
        return open_destination(settings.destination, settings.folder, settings.report.timezone)

    @property
    def file(self) -> DuckdbDestination | None:
        """The warehouse, if it is a DuckDB file."""
        return self.destination if isinstance(self.destination, DuckdbDestination) else None

    @once("warehouse")
    def facts(self) -> Facts:
        """The facts of the warehouse, read in a moment. :raises DestinationError: it is closed."""
        try:
            first_pages = {name: self.first_page(name) for name in self.sources}
        except LandingError:
            first_pages = {}  # there is nothing to compare with
        tableau = self.settings.tableau.user
        readers = (READER, *([tableau] if tableau else []))
        with self._session() as session:
            return read_facts(session, first_pages, readers)

    @property
    def is_blank(self) -> bool:
        """True if no run has made the warehouse's tables yet."""
        if self.file is not None and not self.file.path.exists():
            return True
        return not self.facts.columns

    @property
    def has_tables(self) -> bool:
        """True if the warehouse can be read and has tables; its own check says why not."""
        try:
            return not self.is_blank
        except OrderpullError:
            return False

    @once("schedule")
    def schedule(self) -> ScheduleStatus | None:
        """The schedule's own notes; None if none ever ran here."""
        return StateFile(self.settings).status()

    @property
    def tolerated(self) -> datetime:
        """The latest time that is not in the future."""
        return self.now + TOLERANCE

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """The warehouse, or the snapshot of a file that another process holds."""
        with ExitStack() as opened:
            try:
                session = opened.enter_context(self.destination.inspect())
            except DestinationBusy as error:
                if self.file is None:
                    raise
                self.busy = error
                session = opened.enter_context(self.file.inspect(copy=True))
            yield session

"""The result of a run, and the callbacks for its progress."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field

from orderpull.destinations.protocol import Counts
from orderpull.errors import OrderpullError, SettingsError
from orderpull.landing.compaction import Compaction
from orderpull.landing.last_pull import LastPull
from orderpull.sources.pull import PullResult


@dataclass
class SourceResult:
    """The result of a run for one source.

    :param waiting: landed pages that are not loaded.
    :param possible_loss: responses with which orders may have been lost.
    :param last_pull: the result of the last pull, by this run or an earlier one.
    :param notes: what a person should know of the API's responses.
    """

    pages: int = 0
    counts: Counts = field(default_factory=Counts)
    waiting: int = 0
    possible_loss: int = 0
    cursor: str | None = None
    error: OrderpullError | None = None
    last_pull: LastPull | None = None
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The object for this source in ``run --json``."""
        return {
            "pages": self.pages,
            **asdict(self.counts),
            "waiting": self.waiting,
            "possible_loss": self.possible_loss,
            "cursor": self.cursor,
            "error": str(self.error) if self.error else None,
            "notes": self.notes,
        }


@dataclass
class RunResult:
    """The result of a run. :param error: the error that stopped the whole run."""

    sources: dict[str, SourceResult] = field(default_factory=dict)
    seconds: float = 0.0
    error: OrderpullError | None = None

    @property
    def ok(self) -> bool:
        """True if the exit code is 0."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: success; 1: a person must act; 2: no request was sent; 128 + n: signal n."""
        errors = [self.error, *(result.error for result in self.sources.values())]
        codes = [error.exit_code for error in errors if error is not None]
        if any(result.possible_loss for result in self.sources.values()):
            codes.append(1)
        return max(codes, default=0)

    def note_refused(self, refused: Mapping[str, str]) -> None:
        """Note the accounts of the list that are *refused*: nothing was asked of them."""
        for name, reason in refused.items():
            error = SettingsError(reason, "Mend that row; the next run reads the list again.")
            error.exit_code = 1
            self.sources[name] = SourceResult(error=error)

    def as_json(self) -> dict[str, object]:
        """The object that ``run --json`` prints."""
        sources = {name: result.as_json() for name, result in self.sources.items()}
        answer: dict[str, object] = {"ok": self.ok, "sources": sources}
        if self.error:
            answer["error"] = str(self.error)
        return answer | {"seconds": round(self.seconds, 3)}


class Listener:
    """Callbacks for the progress of a run, called by several threads."""

    def on_start(self, sources: Collection[str]) -> None:
        """Called before *sources* are pulled."""

    def on_page(self, source: str, pulled: PullResult) -> None:
        """Called after a page of *source* was landed."""

    def on_source_done(self, source: str, pulled: PullResult) -> None:
        """Called after the pull of *source* ended."""

    def on_batch_loaded(self, source: str, result: SourceResult) -> None:
        """Called after a batch of *source* was loaded."""

    def on_container(self, source: str, result: Compaction) -> None:
        """Called after pages of *source* were compacted into one more container."""

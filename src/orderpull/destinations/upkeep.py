"""Results of an upkeep of a lake's files, and their number and size."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Upkeep:
    """Results of an upkeep.

    :param folded: small files that were written as large ones. :param snapshots: expired ones.
    :param files: deleted files. :param size: their bytes.
    :param left: what may remain, a sentence for each place.
    """

    folded: int = 0
    snapshots: int = 0
    files: int = 0
    size: int = 0
    left: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``warehouse compact --json`` prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class LakeFacts:
    """Number and size of the files of a lake.

    :param files: data files of the newest state. :param small: those under 4 MiB.
    :param size: their bytes. :param snapshots: of all tables, the expired ones left out.
    """

    files: int
    small: int
    size: int
    snapshots: int

    @property
    def sentence(self) -> str:
        """The facts in one sentence, with what to do if there are many small files."""
        counts = (
            f"{self.files:,} data files ({self.small:,} small), {self.size / 1e6:,.1f} MB, "
            f"{self.snapshots:,} snapshots."
        )
        many = self.small > MANY_SMALL or self.snapshots > MANY_SNAPSHOTS
        return f"{counts} `orderpull warehouse compact` makes them fewer." if many else counts

    def as_json(self) -> dict[str, Any]:
        """Return the object ``lake`` of ``status --json``."""
        return asdict(self)


MANY_SMALL = 200
MANY_SNAPSHOTS = 1_000
"""From so many small files, or snapshots, on ``status`` names the command that makes them fewer."""

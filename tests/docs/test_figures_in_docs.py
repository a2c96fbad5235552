"""Limits and waits that the docs name are those of the program."""

import pytest

from orderpull import loading, pipeline
from orderpull.destinations import duckdb, protocol, snapshot
from orderpull.settings import SourceSettings
from orderpull.sources import asking, transport
from orderpull.sources.spec import LimitsSpec
from tests.docs.markdown import ROOT, text_of

MIB = 1 << 20
REJECT_LIMIT = SourceSettings("", "").reject_limit
SENTENCES = {
    "promises.md": (
        f"{loading.BATCH_BYTES // MIB} MiB of JSON and by {loading.BATCH_ORDERS:,} orders",
        f"DuckDB by {protocol.MEMORY_LIMIT.removesuffix('MB')} MB",
        f"{REJECT_LIMIT:.0%} of a batch of".replace("%", " %"),
        f"of a batch of {loading.LIMIT_APPLIES_FROM} orders or more",
        f"the statuses {', '.join(map(str, sorted(asking.NOT_CONSUMED)[:-1]))} and",
    ),
    "decisions.md": (
        f"loaded every {pipeline.LOAD_WITHIN_SECONDS:.0f} seconds",
        f"Waits above {asking.MAX_WAIT:.0f} s end",
        f"at most at {snapshot.FRESHNESS_BYTES_PER_SECOND // 1_000_000} MB for each",
        f"STORAGE_VERSION '{duckdb.STORAGE_VERSION}'",
        f"{asking.ROOM // MIB} MiB",
    ),
    "commands.md": (f"loaded every {pipeline.LOAD_WITHIN_SECONDS:.0f} seconds",),
    "settings.md": (
        f"of {loading.LIMIT_APPLIES_FROM} orders or more",
        f"gets at most {transport.CONNECT_SECONDS:.0f}.",
    ),
    "tables.md": (f"at most {snapshot.FRESHNESS_BYTES_PER_SECOND // 1_000_000} MB for each",),
    "apis.md": (f"| `tries` | `{LimitsSpec().tries}` |",),
}


@pytest.mark.parametrize(
    ("file", "sentence"), [(file, one) for file, all_ in SENTENCES.items() for one in all_]
)
def test_figures_are_those_of_the_program(file: str, sentence: str) -> None:
    """Each limit stands in the docs with its value."""
    assert sentence in " ".join(text_of(ROOT / "docs" / file).split())

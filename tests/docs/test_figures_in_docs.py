"""Limits and waits that the docs name are those of the program."""

import pytest

from orderpull import pipeline
from orderpull.destinations import duckdb, protocol, snapshot
from orderpull.destinations.postgres import session as postgres
from orderpull.destinations.redshift import auth, stage
from orderpull.destinations.redshift import session as redshift
from orderpull.loading import batches, pages
from orderpull.model import KEY_TEXTS, SIZES
from orderpull.settings import DestinationSettings, SourceSettings
from orderpull.sources import fetch, handover
from orderpull.sources.http import transport
from orderpull.sources.spec.blocks import LimitsSpec
from tests.docs.markdown import ROOT, text_of

MIB = 1 << 20
WAREHOUSE = DestinationSettings()
REJECT_LIMIT = SourceSettings("", "").reject_limit
SENTENCES = {
    "promises.md": (
        f"{pages.BATCH_BYTES // MIB} MiB of JSON and by {pages.BATCH_ORDERS:,} orders",
        f"DuckDB by {protocol.STAGE_MEMORY.removesuffix('MB')} MB",
        f"by {protocol.MEMORY_LIMIT.removesuffix('MB')} MB for a batch",
        f"take at most {handover.LIMIT // MIB} MiB",
        f"{REJECT_LIMIT:.0%} of a batch of".replace("%", " %"),
        f"of a batch of {batches.LIMIT_APPLIES_FROM} orders or more",
        f"the statuses {', '.join(map(str, sorted(fetch.NOT_CONSUMED)[:-1]))} and",
    ),
    "decisions.md": (
        f"loaded every {pipeline.LOAD_WITHIN_SECONDS:.0f} seconds",
        f"Waits above {fetch.MAX_WAIT:.0f} s end",
        f"at most at {snapshot.FRESHNESS_BYTES_PER_SECOND // 1_000_000} MB for each",
        f"STORAGE_VERSION '{duckdb.STORAGE_VERSION}'",
        f"{fetch.RESERVED_BYTES // MIB} MiB",
    ),
    "commands.md": (
        f"loaded every {pipeline.LOAD_WITHIN_SECONDS:.0f} seconds",
        f"those of a source with {pipeline.LOAD_FROM_ORDERS:,} new orders at once",
    ),
    "settings.md": (
        f"of {batches.LIMIT_APPLIES_FROM} orders or more",
        f"gets at most {transport.CONNECT_SECONDS:.0f}.",
    ),
    "tables.md": (f"at most {snapshot.FRESHNESS_BYTES_PER_SECOND // 1_000_000} MB for each",),
    "postgres.md": (
        f"Version {postgres.OLDEST // 10000} or newer",
        f"| `connect_timeout` ({WAREHOUSE.connect_timeout:g} s) |",
        f"| `timeout` ({WAREHOUSE.timeout:g} s) |",
        f"| `lock_wait` ({WAREHOUSE.lock_wait:g} s) |",
        f"acknowledges nothing for {postgres._DEAD_AFTER} seconds",
    ),
    "redshift.md": (
        f"older than the killed run's `timeout` plus {stage._MARGIN:g} seconds",
        f"good for {auth.CREDENTIAL_SECONDS // 60} minutes",
        f"`connect_timeout` ({WAREHOUSE.connect_timeout:g} s) bounds",
        f"`timeout` ({WAREHOUSE.timeout:g} s) bounds a statement",
        f"`lock_wait` ({WAREHOUSE.lock_wait:g} s) the wait",
        f"given up {redshift._MARGIN:g} seconds after the longer",
        f"parts of about {stage.PART_BYTES.replace('MB', ' MB')}",
        f"{pages.BATCH_ORDERS:,} orders or {pages.BATCH_BYTES // MIB} MiB",
        f"`VARCHAR` counts bytes, {max(SIZES.values()):,} at most",
    ),
    "destinations.md": (
        f"**[PostgreSQL](postgres.md)** {postgres.OLDEST // 10000} or newer",
        f"only `{'`, `'.join(KEY_TEXTS[:-1])}` and `{KEY_TEXTS[-1]}` have a limit",
        f"cut above {SIZES['raw']:,} bytes",
    ),
    "apis.md": (f"| `tries` | `{LimitsSpec().tries}` |",),
}


@pytest.mark.parametrize(
    ("file", "sentence"), [(file, one) for file, all_ in SENTENCES.items() for one in all_]
)
def test_figures_are_those_of_the_program(file: str, sentence: str) -> None:
    """Each limit stands in the docs with its value."""
    assert sentence in " ".join(text_of(ROOT / "docs" / file).split())

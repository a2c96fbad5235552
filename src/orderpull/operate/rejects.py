"""List and show rejects (orders that could not be loaded), and load them again."""

from typing import Any

from orderpull.destinations import open_destination
from orderpull.errors import RightMissing, UsageError
from orderpull.pipeline import Pipeline, RunResult
from orderpull.settings import Settings


def open_rejects(settings: Settings, source: str | None = None) -> list[dict[str, Any]]:
    """Read the open rejects, oldest page first; None replaces columns the user may not read."""
    if source:
        settings.chosen((source,))
    try:
        return _read(settings, source, masked=False)
    except RightMissing:
        return _read(settings, source, masked=True)


def _read(settings: Settings, source: str | None, *, masked: bool) -> list[dict[str, Any]]:
    from orderpull.answers import ledger

    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        return reader.rows(ledger.rejects((source,) if source else (), masked=masked))


def find_with_text(settings: Settings, key: str) -> dict[str, Any]:
    """Find the reject called *key*, with its order's text as received.

    :raises UsageError: no reject matches, or several do.
    :raises RightMissing: the warehouse's user may not read the text.
    """
    row = find(settings, key)
    if row["raw"] is None:
        raise RightMissing(
            f"{name_of(row)} was rejected as {row['reason']} at {row['path']}; what was received "
            "may not be seen by this user of the warehouse.",
            "Use the loader's login, or have the right granted: `orderpull grants --names`.",
        )
    return row


def find(settings: Settings, key: str) -> dict[str, Any]:
    """Find the reject called *key*: ``PAGE:POSITION`` or ``SOURCE:PAGE:POSITION``.

    :raises UsageError: no reject matches, or several do.
    """
    rows = open_rejects(settings)
    matches = [row for row in rows if key in {name_of(row), name_of(row, short=True)}]
    if len(matches) == 1:
        return matches[0]
    if matches:
        names = ", ".join(name_of(row) for row in matches)
        raise UsageError(f"Several sources have a reject {key}.", f"Name one: {names}.")
    raise UsageError(f"There is no reject {key!r}.", "`orderpull rejects list` shows them.")


def name_of(row: dict[str, Any], *, short: bool = False) -> str:
    """Return the name of a reject on the command line."""
    name = f"{row['page']}:{row['position']}"
    return name if short else f"{row['source']}:{name}"


def retry(settings: Settings, keys: tuple[str, ...] = ()) -> RunResult:
    """Load rejects again, under today's API file and settings, without an API request.

    :param keys: names of rejects; empty for all.
    """
    names = {name_of(find(settings, key)) for key in keys}
    sources = {name.partition(":")[0] for name in names}
    pipeline = Pipeline(settings, sources, command="retry", accept_rejects=True)

    def retry_all() -> None:
        pipeline.preflight()
        with pipeline.destination.loader() as loader:
            for name in pipeline.sources:
                result = pipeline.result.sources[name]
                pages = pipeline.page_loader(name, loader)
                before = loader.rejects(name)
                retried = [
                    r for r in before if not names or f"{name}:{r.page}:{r.position}" in names
                ]
                pages.retry(retried)
                after = {(r.page, r.position) for r in loader.rejects(name)}
                result.counts.fetched = len(retried)
                result.counts.rejected = sum((r.page, r.position) in after for r in retried)
                result.counts.inserted = result.counts.fetched - result.counts.rejected
                pipeline.finish(loader, pages)
        pipeline.destination.publish(finished=True)

    return pipeline.timed(retry_all)

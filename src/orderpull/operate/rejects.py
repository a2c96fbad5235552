"""Rejects: what could not be shaped, kept whole; looked at, and tried again."""

from typing import Any

from orderpull.destinations import open_destination
from orderpull.errors import RightMissing, UsageError
from orderpull.loading import PageLoader
from orderpull.pipeline import Pipeline, RunResult
from orderpull.settings import Settings


def listed(settings: Settings, source: str | None = None) -> list[dict[str, Any]]:
    """The open rejects, oldest page first; what the user may not see of them is None."""
    if source:
        settings.chosen((source,))
    try:
        return _read(settings, source, masked=False)
    except RightMissing:
        return _read(settings, source, masked=True)


def _read(settings: Settings, source: str | None, *, masked: bool) -> list[dict[str, Any]]:
    from orderpull.answers import from_orders

    destination = open_destination(settings.destination, settings.folder, settings.report.timezone)
    with destination.reader() as reader:
        return reader.rows(from_orders.rejects(source, masked=masked))


def whole(settings: Settings, key: str) -> dict[str, Any]:
    """The reject called *key*, with its order's text as received.

    :raises UsageError: there is none, or more than one. :raises RightMissing: the warehouse's user
        may not see the text.
    """
    row = chosen(settings, key)
    if row["raw"] is None:
        raise RightMissing(
            f"{name_of(row)} was rejected as {row['reason']} at {row['path']}; what was received "
            "may not be seen by this user of the warehouse.",
            "Look as the loader does, or have it granted: `orderpull grants --names`.",
        )
    return row


def chosen(settings: Settings, key: str) -> dict[str, Any]:
    """The reject called *key*: ``PAGE:POSITION``, with the source in front if there are several.

    :raises UsageError: there is none, or more than one.
    """
    found = [row for row in listed(settings) if key in {name_of(row), name_of(row, short=True)}]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(name_of(row) for row in found)
        raise UsageError(f"Several sources have a reject {key}.", f"Name one: {names}.")
    raise UsageError(f"There is no reject {key!r}.", "`orderpull rejects list` shows them.")


def name_of(row: dict[str, Any], *, short: bool = False) -> str:
    """What a reject is called on the command line."""
    place = f"{row['page']}:{row['position']}"
    return place if short else f"{row['source']}:{place}"


def retry(settings: Settings, keys: tuple[str, ...] = ()) -> RunResult:
    """Shape rejects again, under today's API file and settings; ask no API.

    :param keys: only these; all if none is named.
    """
    wanted = {name_of(chosen(settings, key)) for key in keys}
    sources = {name.partition(":")[0] for name in wanted}
    pipeline = Pipeline(settings, sources, command="retry")

    def again() -> None:
        pipeline.preflight()
        with pipeline.destination.loader() as loader:
            for name, source in pipeline.sources.items():
                record, result = pipeline.records[name], pipeline.result.sources[name]
                pages = PageLoader(source, pipeline.part(name), loader, record)
                pages.accept_rejects = True
                before = loader.rejects(name)
                again = [
                    r for r in before if not wanted or f"{name}:{r.page}:{r.position}" in wanted
                ]
                pages.retry(again)
                after = {(r.page, r.position) for r in loader.rejects(name)}
                result.counts.fetched = len(again)
                result.counts.rejected = sum((r.page, r.position) in after for r in again)
                result.counts.inserted = result.counts.fetched - result.counts.rejected
                pipeline.finish(name, loader, pages)
        pipeline.destination.publish(finished=True)

    return pipeline.timed(again)

"""Forget a person in all sources of the settings: search, ask, erase, certify."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orderpull import clock
from orderpull.errors import LandingBusy, UsageError
from orderpull.failpoints import failpoint
from orderpull.forget.certificate import Certificate, Line, this_user
from orderpull.forget.erasure import SourceErasure
from orderpull.forget.search import Matches, Search
from orderpull.forget.wanted import Wanted
from orderpull.landing.forgotten import Forgotten
from orderpull.loading.pages import PageLoader
from orderpull.pipeline import Pipeline
from orderpull.scratch import delete_left_over
from orderpull.settings import Settings

AGAIN = "an earlier erasure"
"""Criteria of a command that finishes or repeats earlier erasures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The orders that are found, by source."""

    matches: Mapping[str, Matches]

    @property
    def count(self) -> int:
        """Number of orders, rejected ones and fragments without a number among them."""
        return sum(len(each.identities) for each in self.matches.values())

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``forget --dry-run --json`` prints."""
        return {
            "dry_run": True,
            "sources": {
                name: {
                    "orders": matches.numbers,
                    "count": len(matches.identities),
                    "rejects": matches.rejects,
                    "pages": len(matches.pages),
                }
                for name, matches in self.matches.items()
            },
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command.

    :param plan: the orders that were found.
    :param certificate: None: nothing was erased. :param file: where the certificate is.
    """

    plan: Plan
    certificate: Certificate | None = None
    file: Path | None = None

    @property
    def exit_code(self) -> int:
        """0: all is erased; 1: something is left, or nothing was found."""
        if self.certificate is None:
            return 0 if self.plan.count else 1
        return 1 if self.certificate.left else 0


def forget(
    settings: Settings,
    sources: tuple[str, ...] = (),
    wanted: Wanted | None = None,
    *,
    file: Path | None = None,
    confirm: Callable[[Plan], bool] = lambda _: True,
) -> Result:
    """Erase the persons of the *wanted* orders; None: finish and repeat earlier erasures.

    What a killed erasure has begun is finished with it in any case.

    :param file: where to write the certificate; None: beside the settings.
    :param confirm: called with the orders that are found; false: erase nothing.
    :raises OrderpullError: a step failed. Run it again: each step may be repeated.
    """
    if file is not None and not os.access(file.absolute().parent, os.W_OK):
        raise UsageError(
            f"The certificate {file} cannot be written there; nothing was erased.",
            "Name a file in a folder that exists and is yours: --certificate FILE.",
        )
    pipeline = Pipeline(settings, sources, command="load")
    try:
        pipeline.preflight()
        pipeline.recover()
        plan = _search(pipeline, wanted)
        if not plan.matches or not confirm(plan):
            return Result(plan)
        return _erase(pipeline, wanted, plan, file)
    finally:
        pipeline.destination.close()


def _search(pipeline: Pipeline, wanted: Wanted | None) -> Plan:
    plan: dict[str, Matches] = {}
    with _loaders(pipeline) as loaders:
        for name, pages in loaders.items():
            forgotten = Forgotten.read(pages.landing)
            matches = Search(pages, wanted, forgotten).run()
            if wanted is not None and forgotten.begun:
                matches |= Search(pages, None, forgotten).run()
            if matches.identities or forgotten.begun:
                plan[name] = matches
    return Plan(plan)


def _erase(pipeline: Pipeline, wanted: Wanted | None, plan: Plan, file: Path | None) -> Result:
    by, began = this_user(), clock.now()
    file = file or pipeline.settings.folder / f"forget-{began:%Y%m%dT%H%M%SZ}.json"
    with ExitStack() as held:
        for name in plan.matches:
            held.enter_context(pipeline.landing_of(name).pulling())
            held.enter_context(pipeline.landing_of(name).rewriting())
        with pipeline.destination.held():
            if _has_changed(pipeline, plan):
                plan = _search_again(pipeline, wanted, plan)
                if not plan.matches:
                    return Result(plan)
            with _loaders(pipeline) as loaders:
                erasures = {
                    name: SourceErasure(loaders[name], matches)
                    for name, matches in plan.matches.items()
                }
                for erasure in erasures.values():
                    erasure.begin(by, began, str(wanted or AGAIN))
                for erasure in erasures.values():
                    erasure.erase()
        left = pipeline.destination.scrub()
        folders = delete_left_over()
        certificate = _certificate(pipeline, erasures, left, folders)
        certificate.write(file)
        failpoint("certificate-written")
        for erasure in erasures.values():
            erasure.finish()
    return Result(plan, certificate, file)


def _search_again(pipeline: Pipeline, wanted: Wanted | None, before: Plan) -> Plan:
    """Search after pages came, while nobody else pulls the sources of *before*.

    :raises LandingBusy: orders of a further source came, too.
    """
    plan = _search(pipeline, wanted)
    if further := sorted(set(plan.matches) - set(before.matches)):
        raise LandingBusy(
            f"Orders of source {further[0]!r} came meanwhile; nothing was erased.", "Run again."
        )
    return plan


def _certificate(
    pipeline: Pipeline, erasures: Mapping[str, SourceErasure], left: list[str], folders: int
) -> Certificate:
    warehouse = str(pipeline.destination)
    lines, begun = [], []
    for name, erasure in erasures.items():
        counts, landing = erasure.counts, str(pipeline.landing_of(name))
        rows = f"{warehouse}, source {name}"
        lines += [
            Line("names and addresses in order_address", rows, counts.persons),
            Line("texts in orderpull_reject", rows, counts.rejects),
            Line("landed pages without them now", landing, counts.pages),
            Line("of these rewritten by this command", landing, counts.rewritten),
            Line("unfinished files of killed runs", landing, counts.unfinished),
        ]
        left += [*counts.left, *pipeline.landing_of(name).unsearched()]
        begun += [erasure.forgotten.begun] if erasure.forgotten.begun else []
    lines.append(Line("warehouse with its old rows removed, and snapshot", warehouse, 1))
    lines.append(Line("temporary folders of killed runs", "this machine", folders))
    first = min(begun, key=lambda each: each.at)
    by = {each.by: None for each in begun} | {this_user(): None}
    return Certificate(
        " and ".join(by),
        first.at,
        clock.now(),
        " and ".join(dict.fromkeys(each.criteria for each in begun)),
        {name: erasure.counts.orders for name, erasure in erasures.items()},
        [line for line in lines if line.count],
        [*dict.fromkeys(left)],
    )


def _has_changed(pipeline: Pipeline, plan: Plan) -> bool:
    """True if pages were landed or loaded since the search."""
    with _loaders(pipeline) as loaders:
        return any(
            pages.landing.pages(after=plan.matches[name].through)
            or pages.state.loads != plan.matches[name].loads
            for name, pages in loaders.items()
            if name in plan.matches
        )


@contextmanager
def _loaders(pipeline: Pipeline) -> Iterator[dict[str, PageLoader]]:
    """A loader of the pages of each source."""
    with pipeline.destination.loader() as loader:
        yield {name: pipeline.page_loader(name, loader) for name in pipeline.sources}

"""Replay a landing on Spark, into a warehouse or a folder of Parquet files."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from orderpull import clock
from orderpull.destinations.protocol import RunRecord, SourceState
from orderpull.errors import LandingError, LandingMismatch, UsageError
from orderpull.failpoints import failpoint
from orderpull.landing.expired import expired_pages
from orderpull.landing.protocol import SourceLanding
from orderpull.pipeline import Pipeline
from orderpull.settings import Settings, parse_settings
from orderpull.spark.attempts import WORK, attempt
from orderpull.spark.cluster import Cluster, run
from orderpull.spark.finish import Finish
from orderpull.spark.job import Job, divided, without_secrets
from orderpull.spark.targets import ParquetFolder, Target, Warehouse

PARQUET = "parquet:"
ORDERS_A_BUCKET = 150_000
"""Versions of orders in a bucket, about; a bucket has to fit in an executor's memory."""

_MOST_BUCKETS = 4096
_SAMPLED = 20


@dataclass
class Result:
    """The result of a replay.

    :param run: its id. :param target: where it went.
    :param records: the rows of the ledger's runs; empty if nothing was left to do.
    """

    run: str
    target: str
    records: dict[str, RunRecord] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``spark replay --json`` prints."""
        sources = {
            name: {"pages": record.pages, **asdict(record.counts)}
            for name, record in self.records.items()
        }
        return {
            "run": self.run,
            "target": self.target,
            "already": not self.records,
            "seconds": round(self.seconds, 1),
            "sources": sources,
        }


def replay(
    settings: Settings,
    url: str,
    sources: Sequence[str] = (),
    *,
    cluster: Cluster,
    work: Path | None = None,
    accept_rejects: bool = False,
) -> Result:
    """Shape and load every landed page on *cluster*, and commit all of it at once.

    The same command again, after a kill at any instant, finishes the same replay or finds it done.

    :param url: like ``destination.url``, or ``parquet:FOLDER``.
    :param work: folder for the executors' files, which each machine sees.
    :raises OrderpullError: nothing was committed.
    """
    began = time.monotonic()
    pipeline, target = _open(settings, url, tuple(sources), work)
    names = list(pipeline.sources)
    landings = {name: pipeline.landing_of(name) for name in names}
    pages = {name: landing.pages() for name, landing in landings.items()}
    pages = {name: numbers for name, numbers in pages.items() if numbers}
    if not pages:
        raise LandingError(
            f"{pipeline.landing} holds no page of {', '.join(names)}: there is nothing to replay.",
            "Check landing.url, or restore the landing from its backup.",
        )
    run_id = _run_id(target, landings, pages)
    result = Result(run_id, str(target))
    states = target.states(run_id, list(pages))
    if states is None or _is_loaded(target, states, landings, pages):
        return result
    with attempt(target.work, run_id) as folder:
        (folder / "parts").mkdir()
        with cluster.session() as spark:
            slots = int(spark.sparkContext.defaultParallelism)
            job = Job(
                run=run_id,
                at=clock.now(),
                folder=settings.folder.absolute(),
                zone=target.zone,
                landing=settings.landing,
                sources={
                    name: without_secrets(source.settings, source.api)
                    for name, source in pipeline.sources.items()
                },
                limits=dict(target.limits),
                buckets=_buckets(landings, pages, slots),
                parts=folder / "parts",
            )
            run(spark, job, divided(pages, slots))
        failpoint("spark-executed")
        result.records = _finish(target, job, pages, landings, folder, accept=accept_rejects)
    result.seconds = time.monotonic() - began
    return result


def work_of(settings: Settings, url: str | None, work: Path | None) -> Path:
    """The folder of attempts of a replay into *url*. Parameters as :func:`replay`."""
    if url is not None and url.startswith(PARQUET):
        return _parquet_path(settings, url).parent / WORK
    return (settings.folder / (work or WORK)).absolute()


def _finish(
    target: Target,
    job: Job,
    pages: Mapping[str, Sequence[int]],
    landings: Mapping[str, SourceLanding],
    folder: Path,
    *,
    accept: bool,
) -> dict[str, RunRecord]:
    """Check and commit what the executors have made."""
    from orderpull.spark.sink import committed

    with target.loader() as loader:
        finish = Finish(loader, job, committed(job.parts), pages, landings, accept)
        finish.check()
        target.commit(finish, folder)
    return finish.records


def _open(
    settings: Settings, url: str, sources: tuple[str, ...], work: Path | None
) -> tuple[Pipeline, Target]:
    """The pipeline with sources and landing, and the target at *url*."""
    if url.startswith(PARQUET):
        pipeline = Pipeline(settings, sources, command="replay", detached=True)
        return pipeline, ParquetFolder(_parquet_path(settings, url), pipeline.destination)
    read = parse_settings(f"[destination]\nurl = {json.dumps(url)}\n", Path("--into"))
    destination = msgspec.structs.replace(settings.destination, url=read.destination.url)
    settings = msgspec.structs.replace(settings, destination=destination)
    pipeline = Pipeline(settings, sources, command="replay", detached=True)
    return pipeline, Warehouse(pipeline.destination, work_of(settings, url, work))


def _parquet_path(settings: Settings, url: str) -> Path:
    """The folder that *url* names. :raises UsageError: it names none."""
    path = url.removeprefix(PARQUET)
    if not path or "://" in path:
        raise UsageError(
            f"--into is {url!r}, which names no folder.", "Write it like parquet:/data/orders."
        )
    return (settings.folder / path).absolute()


def _run_id(
    target: Target, landings: Mapping[str, SourceLanding], pages: Mapping[str, Sequence[int]]
) -> str:
    """The id of the replay of these *pages* into *target*, 16 hexadecimal digits."""
    content = [target.identity(), {n: (landings[n].identity, list(p)) for n, p in pages.items()}]
    return hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]


def _is_loaded(
    target: Target,
    states: Mapping[str, SourceState],
    landings: Mapping[str, SourceLanding],
    pages: Mapping[str, Sequence[int]],
) -> bool:
    """True if all pages are loaded already.

    :raises OrderpullError: some are, so that this is no work for a replay of all.
    """
    for name, state in states.items():
        landing = landings[name]
        if state.landing not in {"", landing.identity}:
            raise LandingMismatch(
                f"{target} has loaded pages of source {name!r} from another landing than "
                f"{landing}.",
                "Give back the landing that belongs to it, or rename the source.",
            )
        if not state.loads and (expired := expired_pages(landing)).pages:
            raise LandingError(
                f"The landing of source {name!r} has deleted {expired} (keep_days).",
                "It cannot be made from the landing: copy the old warehouse instead.",
            )
    loaded = [name for name, state in states.items() if state.loads]
    if not loaded:
        return False
    if all(s.loaded_through >= max(pages[n]) and not s.gaps for n, s in states.items()):
        return True
    raise UsageError(
        f"{target} has loaded pages of {', '.join(loaded)} already.",
        "`orderpull load` loads what is new; a replay on Spark fills an empty warehouse.",
    )


def _buckets(
    landings: Mapping[str, SourceLanding], pages: Mapping[str, Sequence[int]], slots: int
) -> int:
    """The number of buckets, by the number of orders in some pages."""
    orders = looked = 0
    for name in list(pages)[:_SAMPLED]:
        numbers = pages[name]
        for number in {numbers[0], numbers[len(numbers) // 2], numbers[-1]}:
            orders += landings[name].meta(number).orders
            looked += 1
    estimated = orders / max(looked, 1) * sum(map(len, pages.values()))
    return min(_MOST_BUCKETS, max(slots, round(estimated / ORDERS_A_BUCKET)))

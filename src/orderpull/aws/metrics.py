"""Logs and metrics of a function: JSON lines for CloudWatch, with metrics in them (EMF).

Metrics have no dimension for the source, because CloudWatch charges for each combination. The
result of each source is a log line.
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html)
"""

from collections.abc import Iterable

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from orderpull import clock
from orderpull.errors import LandingBusy, OrderpullError, SourceBusy
from orderpull.landing.last_pull import LastPull
from orderpull.pipeline import RunResult, SourceResult

NAMESPACE = "orderpull"

log = Logger(service="orderpull", utc=True)
metrics = Metrics(namespace=NAMESPACE)


def is_transient(error: OrderpullError | None) -> bool:
    """Return True if the next tick can continue after *error* without help."""
    return isinstance(error, SourceBusy | LandingBusy)


def count(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add *value* to the metric *name*."""
    metrics.add_metric(name, unit, value)


def record_pull(result: RunResult) -> None:
    """Record a pull: metrics over all sources, and a log line for each."""
    sources = result.sources
    count("Pages", sum(source.pages for source in sources.values()))
    count("FailedSources", sum(_failed(source) for source in sources.values()))
    for name, source in sources.items():
        write = log.error if _failed(source) else log.info
        write("source", extra={"source": name, "result": source.as_json()})


def record_load(result: RunResult) -> None:
    """Record a load, alone or after a pull.

    Only a load counts possible losses and rejects: several pulls may see a page with a possible
    loss, but a page is loaded once.
    """
    record_pull(result)
    sources = result.sources.values()
    count("Orders", sum(source.counts.fetched for source in sources))
    count("Rejects", sum(source.counts.rejected for source in sources))
    count("PossibleLoss", sum(source.possible_loss for source in sources))
    count("Waiting", sum(source.waiting for source in sources))


def record_age(pulls: Iterable[LastPull | None]) -> None:
    """Record the age of the source that was read to its end the longest time ago.

    :param pulls: last pull of each source. The age of a source that was never read to its end
        starts at its first pull; a source without a pull has no age.
    """
    times = [pull.read_at or pull.since for pull in pulls if pull is not None]
    now = clock.now()
    age = max(((now - at).total_seconds() for at in times if at is not None), default=0.0)
    count("StaleSeconds", age, MetricUnit.Seconds)


def _failed(source: SourceResult) -> bool:
    return source.error is not None and not is_transient(source.error)

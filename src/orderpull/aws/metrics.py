"""What a function tells CloudWatch: logs as JSON, one line each, and metrics within them (EMF).

Metrics carry no source's name: each name would be one more metric to pay for. What became of each
source stands in a log line of its own.
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format.html)
"""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from orderpull.errors import LandingBusy, OrderpullError, SourceBusy
from orderpull.pipeline import RunResult, SourceResult

NAMESPACE = "orderpull"

log = Logger(service="orderpull", utc=True)
metrics = Metrics(namespace=NAMESPACE)


def passes(error: OrderpullError | None) -> bool:
    """Whether *error* is no more than a matter of time: the next tick goes on."""
    return isinstance(error, SourceBusy | LandingBusy)


def count(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add *value* to the metric *name*."""
    metrics.add_metric(name, unit, value)


def tell_pulled(result: RunResult) -> None:
    """What a pull did: metrics over all its sources, and a log line for each."""
    sources = result.sources
    count("Pages", sum(source.pages for source in sources.values()))
    count("FailedSources", sum(_failed(source) for source in sources.values()))
    _tell_each(sources)


def tell_loaded(result: RunResult) -> None:
    """What a load did, alone or after a pull.

    Possible loss and rejects are counted here alone: each page that may stand for a loss is loaded
    once, however many pulls saw it.
    """
    tell_pulled(result)
    sources = result.sources.values()
    count("Orders", sum(source.counts.fetched for source in sources))
    count("Rejects", sum(source.counts.rejected for source in sources))
    count("PossibleLoss", sum(source.possible_loss for source in sources))
    count("Waiting", sum(source.waiting for source in sources))


def tell_age(seconds: float) -> None:
    """How long ago every source had been read to its end."""
    count("StaleSeconds", seconds, MetricUnit.Seconds)


def _failed(source: SourceResult) -> bool:
    return source.error is not None and not passes(source.error)


def _tell_each(sources: dict[str, SourceResult]) -> None:
    for name, source in sources.items():
        tell = log.error if _failed(source) else log.info
        tell("source", extra={"source": name, "result": source.as_json()})

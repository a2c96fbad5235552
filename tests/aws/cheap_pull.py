"""Amazon's runtime and the real handler, whose pull asks each shop once and lands nothing.

So hundreds of sources go through the real queue in seconds. Usage: python cheap_pull.py HANDLER
"""

import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from awslambdaric.__main__ import main

from orderpull import clock
from orderpull.aws import fanout
from orderpull.destinations.protocol import RunRecord
from orderpull.errors import SourceRefused
from orderpull.pipeline import RunResult, SourceResult


class LightPipeline:
    """What the worker asks of a pipeline, without landing and warehouse."""

    def __init__(self, settings: Any, names: Any, *, stop: Any) -> None:
        self.urls = {name: settings.sources[name].base_url for name in names}
        self.result = RunResult({name: SourceResult() for name in names})
        self.records = {name: RunRecord(name, "run", clock.now()) for name in names}

    def timed(self, do: Callable[[], None]) -> RunResult:
        do()
        return self.result

    def pull(self) -> None:
        for name, url in self.urls.items():
            try:
                urllib.request.urlopen(f"{url}/orders", timeout=60).read()
            except urllib.error.HTTPError as error:
                self.result.sources[name].error = SourceRefused(f"{name} answered {error.code}.")
            else:
                self.result.sources[name].pages = 1
                self.records[name].pulled_at = clock.now()


vars(fanout).update(Pipeline=LightPipeline)
main(sys.argv)

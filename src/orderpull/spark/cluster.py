"""The cluster: check what it needs, open a session, and run a job on it."""

import logging
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from orderpull.errors import ClusterError, OrderpullError
from orderpull.spark.failures import readable
from orderpull.spark.job import Job, Task

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger("orderpull.spark")

JAVA = 17
"""The oldest Java that runs Spark 4."""

_ADDRESS = re.compile(r"spark://(\[[^]]+\]|[^:/,]+):(\d+)")
_TIMEOUT = 10.0
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
ARCHIVE_NAME = "orderpull_env"

_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # A task must see the same slices when it is tried again.
    "spark.sql.adaptive.enabled": "false",
    # Rows are slices of up to some megabytes each.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "16",
}


@dataclass
class Cluster:
    """A Spark cluster.

    :param master: ``spark://HOST:PORT``, ``local[N]``, ``yarn``, ``k8s://…``; None: what
        ``spark-submit`` says, else this machine.
    :param archive: an archive of ``orderpull spark package``, for executors without orderpull.
    """

    master: str | None = None
    archive: Path | None = None

    @contextmanager
    def session(self) -> Iterator["SparkSession"]:
        """Open a session of Spark, and close it at the end.

        :raises ClusterError: Java or PySpark is missing, or the master cannot be reached.
        """
        self._check()
        from pyspark.sql import SparkSession

        with as_file(files("orderpull.spark") / "log4j2.properties") as logs:
            builder = SparkSession.builder.appName("orderpull")
            for key, value in (_SETTINGS | self._settings(logs)).items():
                builder = builder.config(key, value)
            try:
                with _quiet():
                    spark = builder.getOrCreate()
            except Exception as error:  # noqa: BLE001 - Spark's are of many kinds
                raise readable(error) from None
        try:
            yield spark
        finally:
            spark.stop()

    def _settings(self, logs: Path) -> dict[str, str]:
        settings = {"spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file:{logs}"}
        submitted = "SPARK_ENV_LOADED" in os.environ and self.master is None
        if not submitted:
            settings["spark.master"] = self.master or "local[*]"
        if self.is_local:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
            settings |= dict.fromkeys(
                ("spark.driver.host", "spark.driver.bindAddress"), "127.0.0.1"
            )
            os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        if self.archive is not None:
            settings["spark.archives"] = f"{self.archive}#{ARCHIVE_NAME}"
            settings["spark.executorEnv.PYTHONPATH"] = ARCHIVE_NAME
        return settings

    @property
    def is_local(self) -> bool:
        """True if the executors are on this machine."""
        match = _ADDRESS.match(self.master or "")
        if match:
            return match[1] in _LOOPBACK
        return (self.master or "local").startswith("local")

    def _check(self) -> None:
        if find_spec("pyspark") is None or find_spec("pyarrow") is None:
            raise ClusterError(
                "PySpark or PyArrow is not installed.", "Run: pip install 'orderpull[spark]'."
            )
        if self.archive is not None and not self.archive.is_file():
            raise ClusterError(
                f"There is no archive {self.archive}.", "Make it with `orderpull spark package`."
            )
        check_java()
        match = _ADDRESS.match(self.master or "")
        if match is None:
            return
        try:
            address = match[1].strip("[]"), int(match[2])
            socket.create_connection(address, timeout=_TIMEOUT).close()
        except OSError as error:
            raise ClusterError(
                f"Spark's master {self.master} cannot be reached: {error.strerror or error}.",
                "Start it, or check --master.",
            ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Give the processes that are started within the context no stderr, unless -v was given."""
    if log.isEnabledFor(logging.DEBUG):
        yield
        return
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def check_java() -> None:
    """Check that there is a Java for Spark. :raises ClusterError: it is missing or old."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    hint = f"Install Java {JAVA} or newer (Debian: openjdk-17-jre-headless), or set JAVA_HOME."
    try:
        version = subprocess.run(  # noqa: S603 - the Java that Spark itself would start
            [java or "java", "-version"], capture_output=True, text=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        where = f"at {java}" if java else "on this machine"
        raise ClusterError(f"There is no Java {where}, and Spark needs one.", hint) from None
    match = re.search(r'version "(?:1\.)?(\d+)', version.stderr + version.stdout)
    if match is None or int(match[1]) < JAVA:
        number = match[1] if match else "of an unknown version"
        raise ClusterError(f"Spark needs Java {JAVA} or newer; {java} is Java {number}.", hint)


def run(spark: "SparkSession", job: Job, tasks: Iterable[Task]) -> None:
    """Shape *tasks*, load the buckets, and commit their files in ``job.parts``.

    :raises OrderpullError: an executor met an error; nothing is committed.
    """
    try:
        _run(spark, job, list(tasks))
    except OrderpullError:
        raise
    except Exception as error:  # noqa: BLE001 - Spark's are of many kinds
        raise readable(error) from None


def _run(spark: "SparkSession", job: Job, tasks: list[Task]) -> None:
    from pyspark import StorageLevel

    from orderpull.spark import numbers
    from orderpull.spark.shape import shape
    from orderpull.spark.sink import FORMAT, BucketSink, options_of
    from orderpull.spark.slices import SPARK_SCHEMA

    shaped = _frame(spark, tasks).mapInArrow(partial(shape, job), SPARK_SCHEMA)
    orders = shaped.filter("kind <> 'link'")
    if any(api.mapping.id is not None for _, api in job.sources.values()):
        shaped = shaped.persist(StorageLevel.DISK_ONLY)
        links = shaped.filter("kind = 'link'").repartitionById(job.buckets, "bucket")
        shared = links.mapInArrow(numbers.shared, SPARK_SCHEMA).select("data").collect()
        orders = shaped.filter("kind <> 'link'")
        if moved := numbers.moves([row["data"] for row in shared], job.buckets):
            orders = orders.mapInArrow(partial(numbers.move, moved), SPARK_SCHEMA)
    spark.dataSource.register(BucketSink)
    written = orders.repartitionById(job.buckets, "bucket").write.format(FORMAT)
    written.options(**options_of(job)).mode("append").save()
    shaped.unpersist()


def _frame(spark: "SparkSession", tasks: list[Task]) -> "DataFrame":
    """The tasks as rows, one in each partition."""
    import pyarrow as pa

    table = pa.table(
        {
            "task": pa.array(range(len(tasks)), pa.int32()),
            "source": [task.source for task in tasks],
            "pages": pa.array([task.pages for task in tasks], pa.list_(pa.int64())),
        }
    )
    return spark.createDataFrame(table).repartitionById(len(tasks), "task")

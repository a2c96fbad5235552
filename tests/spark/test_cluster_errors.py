"""What is missing for Spark is told in one sentence, before anything is read or started."""

import subprocess
import sys
import tarfile
from base64 import b64encode
from pathlib import Path

import pytest

from orderpull.errors import ClusterError, CorruptPage, UsageError
from orderpull.spark import cluster, package
from orderpull.spark.cluster import Cluster, check_java
from orderpull.spark.failures import carried, readable


def a_java(folder: Path, says: str) -> Path:
    """A JAVA_HOME whose java tells *says*."""
    java = folder / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    java.chmod(0o755)
    return folder


def test_java_is_looked_at_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(ClusterError, match=r"There is no Java at .*none/bin/java"):
        check_java()
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path, 'openjdk version "11.0.2"')))
    with pytest.raises(ClusterError, match=r"needs Java 17 or newer; .* is Java 11\."):
        check_java()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME")
    with pytest.raises(ClusterError, match="There is no Java on this machine"):
        check_java()


def test_what_else_is_missing_has_its_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new").mkdir()
    monkeypatch.setenv("JAVA_HOME", str(a_java(tmp_path / "new", 'openjdk version "17.0.15"')))
    with (
        pytest.raises(
            ClusterError, match=r"spark://127\.0\.0\.1:9 cannot be reached: Connection ref"
        ),
        Cluster("spark://127.0.0.1:9").session(),
    ):
        pass
    monkeypatch.setattr(cluster, "find_spec", lambda _: None)
    with (
        pytest.raises(ClusterError, match="PySpark or PyArrow is not installed"),
        Cluster().session(),
    ):
        pass


def test_an_executors_error_arrives_as_it_was() -> None:
    """Through the text of a JVM's exception; of others one line is left of the stack trace."""
    with pytest.raises(RuntimeError) as caught, carried():
        raise CorruptPage("Page 3 of shop has changed.", "Restore it.")
    trace = (
        f"Py4JJavaError: An error occurred\n  at org.apache\nRuntimeError: {caught.value}\n at x"
    )
    error = readable(Exception(trace))
    assert isinstance(error, CorruptPage)
    assert (error.message, error.hint) == ("Page 3 of shop has changed.", "Restore it.")
    odd = readable(Exception("orderpull-error:" + b64encode(b'["Unknown", "m", "h"]').decode()))
    assert isinstance(odd, ClusterError)
    lacking = readable(Exception("x\nModuleNotFoundError: No module named 'orderpull'\n\n at y"))
    assert "no module 'orderpull'" in lacking.message
    assert "spark package" in lacking.hint
    text = "job aborted\njava.io.IOException: disk is full\n\tat a.b\n\tat c.d"
    assert readable(Exception(text)).message.endswith("IOException: disk is full")


@pytest.mark.slow
def test_the_archive_is_all_that_an_executor_needs(tmp_path: Path) -> None:
    """Python without its own packages shapes and loads with what is in it."""
    file = tmp_path / "env.tar.gz"
    assert package.package(file) > 1_000_000
    with tarfile.open(file) as archive:
        archive.extractall(tmp_path / "env", filter="data")
    code = "import orderpull.spark.bucket, orderpull.spark.shape, boto3, pyrage; print('ready')"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path.insert(0, 'env'); {code}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "ready\n", done.stderr
    with pytest.raises(UsageError, match="cannot be written"):
        package.package(tmp_path / "none" / "env.tar.gz")
    with pytest.raises(UsageError, match="does not end with"):
        package.package(tmp_path / "env.zip")

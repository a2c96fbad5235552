"""The code for Lambda: small enough, and enough to run in an environment that has nothing else."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from sysconfig import get_paths

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.aws.account import AwsAccount
from tests.aws.runtime import Function
from tests.docs.markdown import ROOT
from tests.doubles.webhook import post_office

LAMBDA_TAKES = 250_000_000
"""Bytes of code, unzipped.

(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)
"""

MACHINES = {"x86_64": 62, "arm64": 183}
"""What ELF calls Lambda's processors."""

RUNTIME = ("awslambdaric", "runtime_client*.so", "snapshot_restore_py", "simplejson")
"""What Lambda brings along beside the code."""


def zipped(folder: Path, version: str, architecture: str) -> zipfile.ZipFile:
    """The code, made in *folder*; it is small enough once it is unzipped."""
    environment = {
        "LAMBDA_ZIP_FOLDER": str(folder),
        "LAMBDA_ZIP_PYTHON": sys.executable,
        "LAMBDA_ZIP_LEVEL": "0",
    }
    done = subprocess.run(
        ["scripts/lambda-zip", version, architecture], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, **environment}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    archive = zipfile.ZipFile(folder / "orderpull.zip")
    assert 50_000_000 < sum(entry.file_size for entry in archive.infolist()) < LAMBDA_TAKES
    return archive


@pytest.mark.slow
@pytest.mark.parametrize("architecture", MACHINES)
def test_all_programs_in_the_zip_are_for_its_processor(architecture: str, tmp_path: Path) -> None:
    """As their ELF headers say; the one for arm64 cannot be run here."""
    heads = {}
    with zipped(tmp_path, "3.13", architecture) as archive:
        for name in archive.namelist():
            if ".so" in Path(name).suffixes:
                with archive.open(name) as program:
                    heads[name] = program.read(20)
    assert len(heads) > 20
    assert {head[:4] for head in heads.values()} == {b"\x7fELF"}
    machine = {int.from_bytes(head[18:20], "little") for head in heads.values()}
    assert machine == {MACHINES[architecture]}


@pytest.mark.long
def test_the_zip_runs_the_handler_where_nothing_else_is(
    account: AwsAccount, tmp_path: Path
) -> None:
    """Made for this Python, unzipped, and run by a Python without packages of its own."""
    made = tmp_path / "made"
    code = made / "unzipped"
    with zipped(made, f"{sys.version_info.major}.{sys.version_info.minor}", "x86_64") as archive:
        archive.extractall(code)
    listed = (made / "orderpull.txt").read_text("utf-8")
    assert " KB  orderpull\n" in listed
    assert not [name for name in ("pyarrow", "pandas", "moto") if name in listed]
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "empty"], check=True)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    for pattern in RUNTIME:
        for path in Path(get_paths()["platlib"]).glob(pattern):
            (runtime / path.name).symlink_to(path)
    with Simulator(SkubanaAssessment(orders=60, per_call=20)) as simulator, post_office() as post:
        account.add("shop", simulator.url)
        account.add("gone", "http://127.0.0.1:9")
        account.sources += f'[notify]\nurls = ["{post.url}"]\n'
        environment = account.environment(
            PYTHONPATH=f"{runtime}:{code}", LAMBDA_TASK_ROOT=str(code)
        )
        python = str(tmp_path / "empty" / "bin" / "python")
        with Function(tmp_path, environment, python=python) as function:
            answer = function.invoke({"do": "run"})
        assert answer.ok, answer.lines
        account.settled(simulator).check(0)
    assert answer.answer["sources"]["shop"]["inserted"] == 60
    (body,) = post.bodies()
    assert body.startswith("gone: failure. ")

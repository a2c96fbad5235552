"""The README shows what a real demo prints."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, blocks


def shown() -> list[str]:
    """The lines of the demo that README shows, blanks evened out."""
    (block,) = (block for block in blocks(ROOT / "README.md") if block.mark.startswith("demo:"))
    lines = [" ".join(line.split()) for line in block.text.splitlines()]
    return [line for line in lines if line not in {"", "…"}]


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """Each line that README shows of the demo comes out of a real run, in that order."""
    done = subprocess.run(
        [sys.executable, "-m", "orderpull", "demo", "--folder", str(tmp_path)],
        env={**os.environ, "COLUMNS": "160"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = iter([" ".join(line.split()) for line in done.stdout.splitlines()])
    assert [line for line in shown() if line not in printed] == []
    assert len(shown()) > 15

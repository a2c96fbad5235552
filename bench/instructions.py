"""Count the instructions of a fixed small load: ``python -m bench.instructions [--renew]``.

A count hardly depends on the machine or on what else runs there, so a test can hold it
(``tests/test_instructions.py``). Valgrind's cachegrind counts those of one process with one core:
``start`` is a first load of 500 orders with all imports, ``orders`` a run that loads 10,000 more.
The process forks between the two, since a fork carries the count so far and prints it at its end.

``--renew`` writes the counts into ``instructions.json``, which is the budget of this version of
Python; ``--runs`` shows how far counts of the same code lie apart.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BUDGET = Path(__file__).with_suffix(".json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
ORDERS = 10_500
_COUNT = re.compile(r"^==(\d+)== I +refs: +([\d,]+)$", re.MULTILINE)


def budgets() -> dict[str, dict[str, int]]:
    """The budget of each step, by version of Python."""
    found: dict[str, dict[str, int]] = json.loads(BUDGET.read_text("utf-8"))
    return found


def missing() -> str:
    """What is missing to compare instructions here, as a sentence; empty if nothing is."""
    if not shutil.which("valgrind"):
        return "Valgrind is not installed."
    if VERSION not in budgets():
        return f"Python {VERSION} has no budget: make bench-instructions ARGS=--renew."
    return ""


def count(folder: Path) -> dict[str, int]:
    """Instructions of the two steps; *folder* is empty."""
    from bench.workload import render

    render(folder / "data", ORDERS, 1)
    command = [
        "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
        sys.executable, __file__, "--load", str(folder),
    ]  # fmt: skip
    root = Path(__file__).resolve().parents[1]
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    counts = sorted(int(refs.replace(",", "")) for _, refs in _COUNT.findall(done.stderr))
    if done.returncode or len(counts) != 2:  # noqa: PLR2004 - the fork's and its own
        raise RuntimeError(done.stderr)
    return {"start": counts[0], "orders": counts[1] - counts[0]}


def load(folder: Path) -> None:
    """Do the two steps: what is counted."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # DuckDB takes a thread for each core
    from bench.home import write_settings
    from bench.shop import TOKEN, Shop

    from orderpull import pipeline
    from orderpull.settings import read_settings
    from orderpull.sources.http.messages import Request, Response, ResponseSink

    shop = Shop(folder / "data", 0, changed=False)

    def send(request: Request, _sink: ResponseSink) -> Response:
        head = f"GET {request.target} HTTP/1.1\r\nauthorization: bearer {TOKEN}"
        _, body = shop.answer(head)
        return Response(200, {"content-type": "application/json"}, body)

    write_settings(folder, {"shop": "http://shop.example"})
    file = folder / "orderpull.toml"
    settings = file.read_text()
    for pages in (1, ORDERS):
        file.write_text(f"{settings}max_pages = {pages}\n")
        result = pipeline.run(read_settings(file), send=send)
        if not result.ok:
            raise SystemExit(str(result.as_json()))
        if pages == 1:
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)


def main() -> None:
    """Count, and show the counts beside the budget."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--renew", action="store_true", help="write the budget")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.load:
        load(asked.load)
        return
    found = []
    for _ in range(asked.runs):
        with tempfile.TemporaryDirectory() as folder:
            found.append(count(Path(folder)))
            print(found[-1], flush=True)
    for step in found[0]:
        counts = [one[step] for one in found]
        print(
            f"{step}: {min(counts):,} to {max(counts):,}, {max(counts) / min(counts) - 1:.2%} apart"
        )
    if asked.renew:
        budget = {step: max(one[step] for one in found) for step in found[0]}
        BUDGET.write_text(json.dumps(budgets() | {VERSION: budget}, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measure the pages of ``orderpull serve`` over a long history: ``make bench-pages``.

The server is a process of its own; its CPU is the operating system's account of it. Bytes are those
that go over the wire. Each question is asked once, so that nothing of it is kept, and then again.
"""

import argparse
import gzip
import http.client
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bench.history import write_history
from bench.process import cpu_of, peak_of

from orderpull.settings import parse_settings
from orderpull.simulator import Simulator, SkubanaAssessment

SETTINGS = """
[report]
timezone = "Europe/Berlin"
[sources.shop]
api = "skubana-assessment"
base_url = "{url}"
max_pages = {pages}
"""
QUESTIONS = {
    "the first page": "",
    "everything": "period=all",
    "a large country": "period=all&country=C01",
    "a small country": "period=all&country=C30",
    "three countries": "period=all&country=C02&country=C05&country=C09",
    "7 days": "period=7d",
    "30 days": "period=30d",
    "30 days, a large country": "period=30d&country=C03",
    "this year": "period=year",
    "this year, a large country": "period=year&country=C04",
    "93 days": "since={since}&until={until}",
    "93 days, a large country": "since={since}&until={until}&country=C01",
    "a search for SKUs": "period=all&q=-0012",
}
CLIENTS, CHANGES = 50, 4
PER_CALL = 500
OK = 200


@dataclass
class Crowd:
    """What many clients met. :param seconds: of each answer."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def row(self, what: str) -> str:
        """As a row of the table."""
        times = sorted(self.seconds)
        half, most = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.95))
        return f"| {what} | {len(times):,} | {len(self.errors)} | {half:,.0f} | {most:,.0f} |"


class Server:
    """``orderpull serve`` as a process."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.host = urlsplit(url).netloc

    def get(self, query: str, *, part: bool = True) -> tuple[int, bytes, int]:
        """Ask for the first page: status, text, bytes over the wire.

        :param part: as the page itself asks when a filter changes.
        """
        return self._get(f"/?{query}" if query else "/", {"HX-Request": "true"} if part else {})

    def first_load(self) -> int:
        """The bytes of the page and of all that it names."""
        _, page, size = self._get("/", {})
        named = re.findall(rb'(?:src|href)="(/static/[^"]+)"', page)
        return size + sum(self._get(path.decode(), {})[2] for path in dict.fromkeys(named))

    def cpu(self) -> float:
        """CPU seconds so far."""
        return cpu_of(self.process.pid)

    def _get(self, path: str, headers: dict[str, str]) -> tuple[int, bytes, int]:
        connection = http.client.HTTPConnection(self.host, timeout=120)
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "gzip", **headers})
            answer = connection.getresponse()
            body = answer.read()
            size = len(body) + len(str(answer.headers))
            zipped = answer.headers.get("content-encoding") == "gzip"
            return answer.status, gzip.decompress(body) if zipped else body, size
        finally:
            connection.close()


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """The pages of the warehouse in *folder*."""
    command = [sys.executable, "-m", "orderpull", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        found = re.search(r"http://\S+", process.stdout.readline())
        if found is None:
            sys.exit("the server did not start")
        try:
            yield Server(process, found[0])
        finally:
            process.terminate()


def asked_once_and_again(server: Server, questions: dict[str, str]) -> None:
    """Print what each question costs the server, new and known."""
    print("| question | CPU ms, new | CPU ms, known | bytes |")
    print("|---|---|---|---|")
    server.get("top=9")
    for what, query in questions.items():
        time.sleep(1.1)  # so that each looks once whether something was loaded
        before = server.cpu()
        status, _, size = server.get(query)
        new = server.cpu() - before
        before = server.cpu()
        for _ in range(20):
            server.get(query)
        known = (server.cpu() - before) / 20
        if status != OK:
            sys.exit(f"{what}: {status}")
        print(f"| {what} | {new * 1000:,.0f} | {known * 1000:.1f} | {size:,} |", flush=True)


def crowded(server: Server, stop: Callable[[], bool] | None = None) -> Crowd:
    """50 clients at once, each choosing four countries or times one after the other.

    :param stop: until this says so, again and again.
    """
    crowd = Crowd()
    lock = threading.Lock()

    def client(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311 - the same crowd each time
        changes = 0
        while changes < CHANGES or (stop is not None and not stop()):
            period = chance.choice(("all", "all", "7d", "30d", "year"))
            query = f"country=C{chance.randrange(20):02}&period={period}"
            begun = time.monotonic()
            try:
                status, page, _ = server.get(query)
                wrong = "" if status == OK and b"SKU-" in page else f"{status} {page[-300:]!r}"
            except OSError as error:
                wrong = repr(error)
            with lock:
                crowd.seconds.append(time.monotonic() - begun)
                if wrong:
                    crowd.errors.append(wrong)
            changes += 1

    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return crowd


def main() -> None:
    """Measure, and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--loaded", type=int, default=1_000_000, help="orders loaded meanwhile")
    parser.add_argument("--folder", type=Path, help="a warehouse made here before is used again")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
    folder.mkdir(exist_ok=True)
    today = datetime.now(UTC).date()
    shop = SkubanaAssessment(endless=True, orders=0, per_call=PER_CALL, seed=1)
    with Simulator(shop) as simulator:
        text = SETTINGS.format(url=simulator.url, pages=max(1, asked.loaded // PER_CALL))
        (folder / "orderpull.toml").write_text(text)
        if not (folder / "orders.snapshot.duckdb").exists():
            write_history(parse_settings(text, folder / "orderpull.toml"), asked.orders, today)
        days = {"since": today - timedelta(days=120), "until": today - timedelta(days=28)}
        with serving(folder) as server:
            print(f"{asked.orders:,} orders. First load: {server.first_load():,} bytes.\n")
            asked_once_and_again(server, {k: q.format(**days) for k, q in QUESTIONS.items()})
            print(f"\n| {CLIENTS} clients | answers | errors | p50 ms | p95 ms |")
            print("|---|---|---|---|---|")
            print(crowded(server).row("nothing known"), flush=True)
            print(crowded(server).row("all known"), flush=True)
            if asked.loaded:
                quiet = subprocess.DEVNULL
                run = [sys.executable, "-m", "orderpull", "run", "--json"]
                with subprocess.Popen(run, cwd=folder, stdout=quiet, stderr=quiet) as loading:
                    begun = time.monotonic()
                    crowd = crowded(server, lambda: loading.poll() is not None)
                    took = time.monotonic() - begun
                what = f"while {asked.loaded:,} orders are loaded ({took:.0f} s)"
                print(crowd.row(what), flush=True)
                print(*crowd.errors[:3], sep="\n", file=sys.stderr)
                if loading.returncode:
                    sys.exit(f"the load failed: {loading.returncode}")
            print(f"\nPeak memory of the server: {peak_of(server.process.pid):.0f} MiB.")


if __name__ == "__main__":
    main()

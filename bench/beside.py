"""The pages beside small Dash and Streamlit versions of the three panels: ``make bench-beside``.

All three ask the same warehouse of 200,000 orders by the same code, each in a real Chromium: bytes
over the wire with all that is loaded, what one more country costs, and the server's CPU and memory.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench.history import write_history
from bench.pages import SETTINGS
from bench.process import cpu_of, peak_of
from playwright.sync_api import Browser, Page, expect, sync_playwright

from orderpull.settings import parse_settings

HERE = Path(__file__).parent / "dashboards"
OTHERS = Path("build/beside/bin/python").absolute()
"""The Python that has Dash and Streamlit."""

SOURCE = Path("src").absolute()
ORDERS = 200_000
CHANGES = ("C03", "C07", "C11", "C15", "C19")


@dataclass
class Traffic:
    """What a page's browser received."""

    bytes: int = 0
    requests: int = 0
    strangers: set[str] = field(default_factory=set)

    def listen(self, page: Page, address: str) -> None:
        """Count from now on."""
        network = page.context.new_cdp_session(page)
        network.send("Network.enable")
        network.on("Network.loadingFinished", self._finished)
        network.on("Network.webSocketFrameReceived", self._frame)
        page.on("request", lambda request: self._asked(request.url, address))

    def _finished(self, event: dict[str, float]) -> None:
        self.bytes += int(event["encodedDataLength"])
        self.requests += 1

    def _frame(self, event: dict[str, dict[str, str]]) -> None:
        self.bytes += len(event["response"]["payloadData"])

    def _asked(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:", "ws://127.0.0.1")):
            self.strangers.add(url)


@dataclass
class Dashboard:
    """How one of them is started and used.

    :param command: starts it; ``{port}`` is where. :param ready: what shows when it can be used.
    :param choose: how a person adds a country, step by step.
    """

    name: str
    command: list[str]
    ready: str
    choose: tuple[tuple[str, str], ...]

    def add(self, page: Page, country: str) -> None:
        """Choose *country*, as a person does, and wait until its numbers are there."""
        before = page.text_content(self.ready) or ""
        for action, what in self.choose:
            words = what.format(country=country)
            if action == "click":
                page.click(words)
            elif action == "type":
                page.keyboard.type(words)
            else:
                page.keyboard.press(words)
        expect(page.locator(self.ready)).not_to_have_text(before, timeout=60_000)
        page.wait_for_load_state("networkidle")


DASHBOARDS = (
    Dashboard(
        "orderpull serve",
        [sys.executable, "-m", "orderpull", "serve", "--port", "{port}"],
        "#tile-1",
        (("click", "input[name=country][value={country}]"),),
    ),
    Dashboard(
        "Dash",
        [str(OTHERS), str(HERE / "dash_app.py"), "{port}"],
        "#average",
        (
            ("click", "#countries"),
            ("type", "{country}"),
            ("click", "[role=option]:has-text('{country}')"),
            ("press", "Escape"),
        ),
    ),
    Dashboard(
        "Streamlit",
        [
            str(OTHERS), "-m", "streamlit", "run", str(HERE / "streamlit_app.py"),
            "--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true",
            "--browser.gatherUsageStats=false",
        ],
        "[data-testid=stMetricValue]",
        (
            ("click", "[data-testid=stMultiSelect] input"),
            ("type", "{country}"),
            ("press", "Enter"),
        ),
    ),
)  # fmt: skip


@contextmanager
def started(dashboard: Dashboard, folder: Path) -> Iterator[tuple[int, str]]:
    """It as a process of its own: process id, address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [part.format(port=port) for part in dashboard.command]
    paths = os.pathsep.join(map(str, (SOURCE, HERE)))
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield process.pid, f"http://127.0.0.1:{port}/"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def measure(dashboard: Dashboard, browser: Browser, folder: Path) -> str:
    """One dashboard, as a row of the table."""
    with started(dashboard, folder) as (process, address):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        traffic = Traffic()
        traffic.listen(page, address)
        begun = time.monotonic()
        page.goto(address)
        page.wait_for_selector(dashboard.ready, timeout=120_000)
        page.wait_for_load_state("networkidle")
        ready = time.monotonic() - begun
        first, requests = traffic.bytes, traffic.requests
        dashboard.add(page, CHANGES[0])
        before, spent = traffic.bytes, cpu_of(process)
        begun = time.monotonic()
        for country in CHANGES[1:]:
            dashboard.add(page, country)
        count = len(CHANGES) - 1
        took = (time.monotonic() - begun) / count * 1000
        change, spent = (traffic.bytes - before) / count, (cpu_of(process) - spent) / count * 1000
        page.screenshot(path=folder / f"{dashboard.name.split()[0]}.png")
        nodes = page.evaluate("document.getElementsByTagName('*').length")
        context.close()
        return (
            f"| {dashboard.name} | {first:,} | {requests} | {ready * 1000:,.0f} | {change:,.0f} "
            f"| {took:,.0f} | {spent:,.0f} | {peak_of(process):,.0f} | {nodes:,} "
            f"| {len(traffic.strangers)} |"
        )


def main() -> None:
    """Measure, and print a Markdown table."""
    folder = Path(tempfile.mkdtemp(prefix="orderpull-bench-"))
    text = SETTINGS.format(url="http://127.0.0.1:9", pages=1)
    (folder / "orderpull.toml").write_text(text)
    try:
        today = datetime.now(UTC).date()
        write_history(parse_settings(text, folder / "orderpull.toml"), ORDERS, today)
        print(
            "| dashboard | bytes, first load | requests | ready ms | bytes, a country more "
            "| ms | CPU ms | peak MiB | elements | requests elsewhere |"
        )
        print("|---|---|---|---|---|---|---|---|---|---|")
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        program = os.environ.get("ORDERPULL_CHROMIUM", "/usr/bin/chromium")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=arguments)
            for dashboard in DASHBOARDS:
                print(measure(dashboard, browser, folder), flush=True)
            browser.close()
        shots = Path("build/screenshots")
        shots.mkdir(parents=True, exist_ok=True)
        for shot in folder.glob("*.png"):
            shutil.copy(shot, shots / f"beside-{shot.name}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""``orderpull demo``: a simulated shop, pulled, loaded and answered, with nothing configured."""

import tempfile
from pathlib import Path

from rich.console import Console

from orderpull import pipeline
from orderpull.operate.rejects import open_rejects
from orderpull.operate.report import report
from orderpull.settings import Settings, parse_settings
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.terminal.console import stdout
from orderpull.terminal.progress import show_progress
from orderpull.terminal.report import show_report
from orderpull.terminal.runs import show_result
from orderpull.terminal.tables import show_rejects

MALFORMED = 7
SEED = 7

SETTINGS = """\
# Made by `orderpull demo`. Serve the same shop again from this folder with:
#   orderpull simulate --port {port} --orders {orders} --seed {seed} --malformed {malformed}

[sources.demo]
api = "skubana-assessment"
base_url = "{url}"
"""


def show_demo(folder: Path | None, orders: int) -> int:
    """Run the demo in *folder*, tell it on stdout, and return the exit code."""
    console = stdout()
    home = _home(folder)
    shop = SkubanaAssessment(orders=orders, seed=SEED, per_call=100, malformed=MALFORMED)
    console.print(
        f"[bold]1.[/] A simulated shop hands out {orders:,} orders, each only once; "
        f"{MALFORMED} are malformed."
    )
    with Simulator(shop) as simulator:
        settings = _settings(home, simulator.url, orders)
        console.print(
            "[bold]2.[/] orderpull run: each answer is on the disk before it is read, "
            "then all are loaded."
        )
        with show_progress() as listener:
            result = pipeline.run(settings, listener=listener)
    if not result.ok:
        show_result(result, console)
        raise next(e for e in (result.error, result.sources["demo"].error) if e is not None)
    show_result(result, console)
    console.print("[bold]3.[/] orderpull report:")
    show_report(report(settings), console, settings.report.timezone)
    console.print(
        "[bold]4.[/] orderpull rejects list: nothing is dropped, and nothing bad stops the good."
    )
    show_rejects(open_rejects(settings), console)
    _next(home, console)
    return 0


def _home(folder: Path | None) -> Path:
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="orderpull-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _settings(home: Path, url: str, orders: int) -> Settings:
    port = url.rpartition(":")[2].strip("/")
    text = SETTINGS.format(url=url, port=port, orders=orders, seed=SEED, malformed=MALFORMED)
    file = home / "orderpull.toml"
    file.write_text(text, encoding="utf-8")
    return parse_settings(text, file)


def _next(home: Path, console: Console) -> None:
    console.print()
    console.print(f"[bold]Look into[/] {home}")
    for name, what in (
        ("landing/", "every answer as it came: zstd -dc FILE"),
        ("orders.duckdb", "the warehouse"),
        ("orders.snapshot.duckdb", "the copy for readers: open it with any DuckDB tool"),
        ("orderpull.toml", "the settings"),
    ):
        console.print(f"  {name:<24} [dim]{what}[/]")
    console.print(f"[bold]Next:[/]  cd {home} && orderpull report --country DE")
    console.print("       orderpull init   in a folder of your own, for your own shop")

"""``orderpull demo``: pull and load a simulated shop, and report on it, without settings."""

import shlex
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console
from rich.markup import escape

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
# Made by `orderpull demo`. To serve the same shop again:
#   orderpull simulate --port {port} --orders {orders} --seed {seed} --malformed {malformed}

[sources.demo]
api = "skubana-assessment"
base_url = "{url}"
"""


def show_demo(folder: Path | None, orders: int) -> Settings:
    """Run the demo in *folder* (None: a new temporary one), and return its settings."""
    console = stdout()
    home = (folder or Path(tempfile.mkdtemp(prefix="orderpull-demo-"))).absolute()
    home.mkdir(parents=True, exist_ok=True)
    shop = SkubanaAssessment(
        orders=orders, seed=SEED, per_call=100, malformed=MALFORMED, plain_first=True
    )
    console.print(
        f"[bold]1.[/] A simulated shop hands out {orders:,} orders, each only once; "
        f"{MALFORMED} are malformed."
    )
    with Simulator(shop) as simulator:
        settings = _settings(home, simulator.url, orders)
        console.print(
            "[bold]2.[/] orderpull run: each response is written to disk before it is parsed; "
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
        "[bold]4.[/] orderpull rejects list: malformed orders are kept whole, with the reason."
    )
    show_rejects(open_rejects(settings), console)
    _show_next_steps(home, console)
    return settings


def _settings(home: Path, url: str, orders: int) -> Settings:
    port = url.rpartition(":")[2].strip("/")
    text = SETTINGS.format(url=url, port=port, orders=orders, seed=SEED, malformed=MALFORMED)
    file = home / "orderpull.toml"
    file.write_text(text, encoding="utf-8")
    return parse_settings(text, file)


def _show_next_steps(home: Path, console: Console) -> None:
    console.print()
    console.print(f"[bold]Files[/] in {escape(str(home))}")
    for name, content in (
        ("landing/", "every response as received: zstd -dc FILE"),
        ("orders.duckdb", "the warehouse"),
        ("orders.snapshot.duckdb", "its copy for readers, such as DuckDB's own tools"),
        ("orderpull.toml", "the settings"),
    ):
        console.print(f"  {name:<24} [dim]{content}[/]")
    console.print()
    console.print("[bold]Next[/]")
    console.print(f"  cd {escape(shlex.quote(str(home)))}")
    if shutil.which("orderpull") is None:
        programs = shlex.quote(str(Path(sys.executable).parent))
        console.print(f"  export PATH={escape(programs)}:$PATH")
    pages = "the answers as web pages" if find_spec("uvicorn") else "pip install 'orderpull[web]'"
    for command, purpose in (
        ("orderpull serve", pages),
        ("orderpull report --country DE", "the answers for one country"),
        ("orderpull sql", "the warehouse in SQL"),
        ("orderpull init", "settings for your own shop, in another folder"),
    ):
        console.print(f"  {command:<30} [dim]{escape(purpose)}[/]")

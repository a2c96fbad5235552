"""The command ``orderpull``: one short function for each command, and no logic.

Heavy libraries are imported inside the functions, so that ``--help`` answers at once.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from orderpull import __version__
from orderpull.errors import OrderpullError, UsageError

if TYPE_CHECKING:
    from orderpull.destinations.protocol import Answer
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings
    from orderpull.sources.limits import Stop

Function = TypeVar("Function", bound=Callable[..., Any])

_DAY = click.DateTime(["%Y-%m-%d"])


class Commands(click.Group):
    """The commands, with our errors told in sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order of the work."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run the command; end with the error's exit code."""
        try:
            return super().invoke(ctx)
        except OrderpullError as error:
            _say(error)
            sys.exit(error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orderpull")
@click.option(
    "--config",
    "file",
    type=click.Path(dir_okay=False),
    metavar="FILE",
    help="Settings file; orderpull.toml in this folder otherwise.",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="How log lines are written to stderr.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log each page and each wait.")
@click.pass_context
def main(context: click.Context, file: str | None, log_format: Any, *, verbose: bool) -> None:  # noqa: ANN401
    """Pull orders from an API into a warehouse, none lost, none counted twice - and answer."""
    from orderpull.logs import set_up

    set_up(log_format, verbose=verbose)
    context.obj = file


def _machine_logs() -> bool:
    return bool(click.get_current_context().find_root().params.get("log_format") == "json")


def _settings() -> "Settings":
    from orderpull.settings import read_settings

    return read_settings(click.get_current_context().obj)


def _say(error: OrderpullError) -> None:
    """Tell *error* in a sentence, or as a log line where logs are for machines."""
    if _machine_logs():
        logging.getLogger("orderpull").error(error.message, extra={"hint": error.hint})
        return
    click.secho(f"orderpull: {error.message}", fg="red", err=True)
    if error.hint:
        click.echo(f"  → {error.hint}", err=True)


@contextmanager
def _stoppable() -> Iterator["Stop"]:
    """Turn the first SIGINT or SIGTERM into a clean stop, and let the second end the process."""
    from orderpull.sources.limits import Stop

    stop = Stop()

    def ask(number: int, _: object) -> None:
        stop.ask(number)
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_DFL)
        click.echo("Stopping after the page in hand; once more ends at once.", err=True)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(result: "RunResult", *, as_json: bool) -> NoReturn:
    """Print what a run did, and end with its exit code."""
    if as_json:
        click.echo(json.dumps(result.as_json(), ensure_ascii=False))
    else:
        from orderpull import terminal

        terminal.show_result(result, terminal.stdout())
    if result.error is not None:
        _say(result.error)
    for source in result.sources.values():
        if source.error is not None:
            _say(source.error)
    sys.exit(result.exit_code)


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
json_option_of_rows = click.option(
    "--json", "as_json", is_flag=True, help="A JSON list with an object for each row."
)
sources_argument = click.argument("sources", nargs=-1, metavar="[SOURCE]...")
accept_option = click.option(
    "--accept-rejects",
    is_flag=True,
    help="Load also where more orders are rejected than reject_limit.",
)


@main.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Leave the demo's files here; a new temporary folder otherwise.",
)
@click.option("--orders", default=2000, show_default=True, help="Orders in the simulated shop.")
def demo(folder: Path | None, orders: int) -> None:
    """Simulated shop, pull, load, answers: offline, with nothing configured."""
    from orderpull.demo import show_demo

    sys.exit(show_demo(folder, orders))


@main.command()
@click.option("--source", default="shop", prompt="Name of the source", help="Name of the source.")
@click.option(
    "--api",
    default="skubana-assessment",
    prompt="API (built in, or a .toml)",
    help="A built-in API, or the path of a .toml.",
)
@click.option("--base-url", prompt="Base URL of the API", help="Scheme, host, port, prefix.")
@click.option(
    "--token-variable",
    default="",
    prompt="Environment variable of the token (or none)",
    help="Environment variable that holds the token.",
)
@click.option(
    "--start",
    default="",
    prompt="First run: orders changed since (or none)",
    help="For APIs that are read from a time on.",
)
@click.option("--destination", default="duckdb:///orders.duckdb", help="URL of the warehouse.")
@click.option("--timezone", default="UTC", help="Of days in reports.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
def init(*, force: bool, token_variable: str, start: str, **answers: str) -> None:
    """Write a commented orderpull.toml by asking, or by flags."""
    from orderpull.operate.setup import settings_text, write_settings

    path = Path(click.get_current_context().obj or "orderpull.toml")
    text = settings_text(token_variable=token_variable or None, start=start or None, **answers)
    write_settings(path, text, force=force)
    click.echo(f"Wrote {path}. Next: orderpull check")


@main.command()
@json_option
@sources_argument
def check(sources: tuple[str, ...], *, as_json: bool) -> None:
    """Prove settings, landing, warehouse and network; ask for no orders of a consume-once API."""
    from orderpull.operate.check import check as run_checks

    findings = run_checks(_settings(), sources)
    if as_json:
        click.echo(json.dumps(findings.as_json(), ensure_ascii=False))
    for finding in findings.findings if not as_json else ():
        click.echo(f"{'✓' if finding.error is None else '✗'} {finding.what}")
    for finding in findings.findings:
        if finding.error is not None:
            _say(finding.error)
    sys.exit(findings.exit_code)


@main.command()
@json_option
@accept_option
@sources_argument
def run(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Preflight, load what waits, pull, load."""
    from orderpull import pipeline, terminal

    settings = _settings()
    with _stoppable() as stop, terminal.watching() as listener:
        result = pipeline.run(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    _end(result, as_json=as_json)


@main.command()
@json_option
@sources_argument
def pull(sources: tuple[str, ...], *, as_json: bool) -> None:
    """Pull into the landing; load nothing."""
    from orderpull import pipeline, terminal

    settings = _settings()
    with _stoppable() as stop, terminal.watching() as listener:
        result = pipeline.pull(settings, sources, stop=stop, listener=listener)
    _end(result, as_json=as_json)


@main.command()
@json_option
@accept_option
@sources_argument
def load(sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool) -> None:
    """Load what waits in the landing; ask no API."""
    from orderpull import pipeline, terminal

    settings = _settings()
    with _stoppable() as stop, terminal.watching() as listener:
        result = pipeline.load(
            settings, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    _end(result, as_json=as_json)


@main.command()
@json_option
def status(*, as_json: bool) -> None:
    """The last runs, what waits, and what the next run will do."""
    from orderpull.operate.status import status as read_status

    settings = _settings()
    found = read_status(settings)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False, default=_iso))
        return
    from orderpull import terminal

    terminal.show_status(found, terminal.stdout(), settings.report.timezone)


@main.command()
@click.option("--country", multiple=True, metavar="DE", help="Only orders to this country.")
@click.option("--source", multiple=True, help="Only orders of this source.")
@click.option("--since", type=_DAY, metavar="2026-01-01", help="Only orders placed since this day.")
@click.option("--until", type=_DAY, metavar="2026-12-31", help="Only orders placed until this day.")
@click.option("--top", default=10, show_default=True, type=click.IntRange(1), help="How many SKUs.")
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="One CSV table on stdout.")
def report(
    country: tuple[str, ...],
    source: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    top: int,
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Average items per order, best-selling SKUs by country, best-selling SKUs overall."""
    from orderpull.reports import report as ask

    settings = _settings()
    first, last = (day.date() if day else None for day in (since, until))
    answer = ask(settings, country=country, source=source, since=first, until=last, top=top)
    if as_json:
        click.echo(json.dumps(answer.as_json(), ensure_ascii=False))
    elif as_csv:
        click.echo(answer.as_csv(), nl=False)
    else:
        from orderpull import terminal
        from orderpull.reports.terminal import show

        chosen = _chosen(country, source, first, last)
        show(answer, terminal.stdout(), settings.report.timezone, chosen)


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port",
    default=8484,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen at; 0 takes a free one.",
)
def serve(host: str, port: int) -> None:
    """The answers as web pages, for this machine."""
    settings = _settings()
    try:
        from orderpull.web.serve import serve as serve_pages
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The pages need the Python package {error.name}, which is not installed.",
            "Run: pip install 'orderpull[web]'.",
        ) from None
    number = serve_pages(
        settings, host, port, lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it.")
    )
    sys.exit(128 + number)


@main.group(cls=Commands)
def rejects() -> None:
    """Orders that could not be shaped: kept whole, with the reason."""


@rejects.command("list")
@click.argument("source", required=False)
@json_option
def rejects_list(source: str | None, *, as_json: bool) -> None:
    """The open rejects and what is wrong with them."""
    from orderpull.operate import rejects as operate

    rows = operate.listed(_settings(), source)
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, default=_iso))
        return
    from orderpull import terminal

    terminal.show_rejects(rows, terminal.stdout())


@rejects.command("show")
@click.argument("reject", metavar="REJECT")
def rejects_show(reject: str) -> None:
    """One reject whole, with its order's text as received."""
    from orderpull.operate import rejects as operate

    row = operate.chosen(_settings(), reject)
    for key, value in row.items():
        if key not in {"raw", "reject_key"}:
            click.echo(f"{key:<12} {'' if value is None else value}")
    click.echo(f"\n{row['raw']}")


@rejects.command("retry")
@click.argument("reject", nargs=-1, metavar="[REJECT]...")
@json_option
def rejects_retry(reject: tuple[str, ...], *, as_json: bool) -> None:
    """Shape rejects again, under today's API file and settings."""
    from orderpull.operate import rejects as operate

    _end(operate.retry(_settings(), reject), as_json=as_json)


@main.command()
@click.option(
    "--into",
    metavar="URL",
    help="Load all pages into another warehouse, and compare it with this one.",
)
@json_option
@accept_option
@sources_argument
def replay(
    sources: tuple[str, ...], into: str | None, *, as_json: bool, accept_rejects: bool
) -> None:
    """Read every landed page again, under today's API file and settings; ask no API."""
    from orderpull.operate.replay import replay as read_again

    if into is not None:
        _replay_into(into, sources, as_json=as_json, accept_rejects=accept_rejects)
    replayed = read_again(_settings(), sources, accept_rejects=accept_rejects)
    if not as_json:
        for name, pages in replayed.pages.items():
            changed = replayed.changed.get(name, 0)
            click.echo(f"{name}: {pages} landed pages read again, {changed} orders changed.")
    _end(replayed.result, as_json=as_json) if as_json or not replayed.result.ok else None


def _replay_into(
    url: str, sources: tuple[str, ...], *, as_json: bool, accept_rejects: bool
) -> NoReturn:
    from orderpull import terminal
    from orderpull.operate.replay import replay_into

    settings = _settings()
    with _stoppable() as stop, terminal.watching() as listener:
        rebuilt = replay_into(
            settings, url, sources, stop=stop, listener=listener, accept_rejects=accept_rejects
        )
    if as_json:
        click.echo(json.dumps(rebuilt.as_json(), ensure_ascii=False))
    else:
        terminal.show_rebuilt(rebuilt, url, terminal.stdout())
    for error in rebuilt.errors:
        _say(error)
    sys.exit(rebuilt.exit_code)


@main.command()
@click.argument("query", required=False, metavar="[QUERY]")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, also on a terminal.")
@json_option_of_rows
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="ROWS",
    help="At most so many rows; 1000 on a terminal, all otherwise.",
)
def sql(query: str | None, limit: int | None, *, as_csv: bool, as_json: bool) -> None:
    """Ask the warehouse in SQL; read only. Without QUERY on a terminal: a small shell."""
    from orderpull import terminal
    from orderpull.operate import query as operate

    settings = _settings()
    watched = sys.stdout.isatty()
    shape = operate.JSON if as_json else operate.CSV if as_csv or not watched else None
    if query is None and sys.stdin.isatty():
        _shell(settings, limit or operate.SHOWN)
        return
    text = sys.stdin.read() if query in {None, "-"} else query or ""
    with operate.asking(settings, text) as answer:
        if shape is None:
            terminal.show_answer(answer, terminal.stdout(), limit or operate.SHOWN)
        elif operate.write(answer, shape, sys.stdout, limit):
            click.echo(f"There are more than {limit:,} rows.", err=True)


def _shell(settings: "Settings", limit: int) -> None:
    from orderpull import terminal
    from orderpull.operate.shell import Shell

    console = terminal.stdout()

    def show(answer: "Answer") -> None:
        terminal.show_answer(answer, console, limit)

    Shell(settings, show, _say, click.echo).talk()


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv"]),
    default="parquet",
    show_default=True,
    help="What the files are.",
)
@click.option(
    "--tables", multiple=True, metavar="NAME,...", help="Only these; else the tables of orders."
)
@click.option("--answers", is_flag=True, help="The three answers, too.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@sources_argument
def export(
    folder: Path,
    sources: tuple[str, ...],
    kind: Any,  # noqa: ANN401
    tables: tuple[str, ...],
    *,
    answers: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the tables as Parquet or CSV files, all of one instant."""
    from orderpull.operate.export import export as write_files

    named = tuple(name.strip() for each in tables for name in each.split(","))
    written = write_files(
        _settings(), folder, sources, kind=kind, tables=named, answers=answers, force=force
    )
    if as_json:
        click.echo(json.dumps({"files": [file.as_json() for file in written]}, ensure_ascii=False))
        return
    from orderpull import terminal

    terminal.show_files(written, terminal.stdout())


@main.command()
def config() -> None:
    """Every setting in force and where it comes from, secrets masked."""
    from orderpull import terminal
    from orderpull.operate.setup import in_force

    terminal.show_config(in_force(_settings()), terminal.stdout())


@main.command()
@click.option(
    "--profile",
    default="skubana-assessment",
    show_default=True,
    help="skubana-assessment, or replay: recorded answers.",
)
@click.option(
    "--port", default=8765, show_default=True, help="Port on 127.0.0.1; 0 takes a free one."
)
@click.option("--orders", default=2000, show_default=True, help="Orders to hand out.")
@click.option("--per-call", default=100, show_default=True, help="Orders in one answer.")
@click.option("--seed", default=7, show_default=True, help="The same seed gives the same orders.")
@click.option("--endless", is_flag=True, help="New orders for ever.")
@click.option(
    "--malformed",
    default="0",
    show_default=True,
    help="Malformed orders: a count, or a share like 0.01.",
)
@click.option(
    "--versions",
    default=0.0,
    show_default=True,
    help="Share of orders that are served again, changed.",
)
@click.option(
    "--fault",
    multiple=True,
    metavar="KIND@CALLS",
    help="For example reset-body@3; `--fault list` names all.",
)
@click.option("--latency", default=0.0, show_default=True, help="Seconds before each answer.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="For replay: the folder of the recording.",
)
@click.option("--token", help="For replay: the token to ask for.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="Log requests here.")
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write here what a correct warehouse must hold.",
)
def simulate(*, fault: tuple[str, ...], malformed: str, **options: Any) -> None:  # noqa: ANN401
    """An orders API on 127.0.0.1, to try and to test against."""
    from orderpull import simulator

    if "list" in fault:
        for name, kind in simulator.FAULTS.items():
            click.echo(f"{name:<16} {'consumes' if kind.consumed else 'keeps':<9} {kind.sentence}")
        return
    try:
        number = simulator.serve_forever(
            faults=fault,
            malformed=simulator.rate_or_count(malformed),
            on_ready=lambda url: click.echo(f"Serving at {url} - Ctrl-C ends it."),
            on_call=lambda call: click.echo(f"{call.method} {call.path} {call.status or ''}"),
            **options,
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    sys.exit(128 + number)


def _chosen(
    country: tuple[str, ...], source: tuple[str, ...], since: date | None, until: date | None
) -> str:
    """What was filtered by, in words."""
    words = [", ".join(country).upper(), ", ".join(source)]
    words += [f"since {since}" if since else "", f"until {until}" if until else ""]
    text = ", ".join(word for word in words if word)
    return f" - {text}" if text else ""


def _iso(value: object) -> str:
    from orderpull import clock

    return clock.iso(value) if isinstance(value, datetime) else str(value)

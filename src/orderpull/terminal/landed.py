"""Tables of landed pages, and of their compaction."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from orderpull.landing.compaction import Compaction
from orderpull.loading.compact import Compactions
from orderpull.operate.compare import ranges
from orderpull.operate.landed import LandedPage
from orderpull.terminal.console import new_table, print_indented


def show_pages(pages: Sequence[LandedPage], limit: int, console: Console) -> None:
    """Print *pages*. :param limit: most pages of each source; 0: all."""
    if not pages:
        console.print("The landing holds no page.")
        return
    columns = ("page", "received", "holds", "bytes", "")
    table = new_table(*columns, right=("bytes",), overflow="fold")
    for page in pages:
        meta = page.meta
        marks: list[str] = [meta.state] if meta.state != "whole" else []
        marks += ["redacted"] if meta.redacted else []
        marks += [f"encrypted ({meta.encrypted})"] if meta.encrypted else []
        marks += ["waits"] if page.waits else []
        orders = "1 order" if meta.orders == 1 else f"{meta.orders:,} orders"
        holds = "a list of ids" if meta.kind == "listing" else orders
        received = meta.received_at[:19].replace("T", " ")
        table.add_row(escape(page.name), received, holds, f"{meta.size:,}", ", ".join(marks))
    console.print(table)
    hint = "Times are UTC. `orderpull landing cat PAGE` prints a page."
    if limit:
        hint = f"The newest {limit} of each source; --limit 0 shows all. {hint}"
    console.print(hint, style="dim")


def show_compactions(done: Compactions, console: Console, *, dry_run: bool) -> None:
    """Print what became of the pages of each source, or would become with *dry_run*."""
    for name, result in done.sources.items():
        if name not in done.errors:
            console.print(f"[bold]{escape(name)}[/]  {_compacted(result, dry_run=dry_run)}")
        if result.damaged:
            pages = "Page" if len(result.damaged) == 1 else "Pages"
            verb = "is" if len(result.damaged) == 1 else "are"
            stay = "stays as it is" if len(result.damaged) == 1 else "stay as they are"
            print_indented(
                console,
                f"{pages} {ranges(result.damaged)} {verb} damaged and {stay}: `orderpull doctor` "
                "says what to do.",
                "red",
            )


def _compacted(result: Compaction, *, dry_run: bool) -> str:
    stays = []
    if result.compacted_before:
        stays.append(f"{_pages(result.compacted_before, 'was', 'were')} compacted before")
    if result.waiting:
        stays.append(f"{_pages(result.waiting, 'waits', 'wait')} to be loaded first")
    if result.not_due:
        stays.append(
            f"{_pages(result.not_due, 'waits', 'wait')} for 128 MB or the month's end (or --all)"
        )
    rest = f" {'; '.join(stays)}."
    if not result.pages:
        return f"Nothing to compact.{rest if stays else ''}"
    would = "would become" if dry_run else "are now in"
    files = "1 file" if result.containers == 1 else f"{result.containers:,} files"
    size = f"{result.bytes / 1e6:,.1f} MB"
    return f"{result.pages:,} pages ({size}) {would} {files}.{rest if stays else ''}"


def _pages(count: int, one: str, more: str) -> str:
    return f"1 page {one}" if count == 1 else f"{count:,} pages {more}"

"""Tables of landed pages."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from orderpull.operate.landed import LandedPage
from orderpull.terminal.console import new_table


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

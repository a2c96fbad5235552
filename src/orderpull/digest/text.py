"""A digest as plain text, for a terminal and for messages without HTML."""

from collections.abc import Iterator

from orderpull.digest import figures
from orderpull.digest.digest import Digest, Row
from orderpull.digest.period import day_text

BAR_WIDTH = 24
SKU_WIDTH = 40


def as_text(digest: Digest) -> str:
    """Return *digest* as lines of at most about 80 characters."""
    sections = (_totals(digest), _chart(digest), _top(digest), _movers(digest), _notes(digest))
    return "\n\n".join("\n".join(lines) for each in sections if (lines := list(each)))


def _totals(digest: Digest) -> Iterator[str]:
    for figure in figures.totals(digest):
        line = f"{figure.label:<26}{figure.value:>12}"
        if figure.before:
            line += f"{figure.change:>11}   (before: {figure.before})"
        yield line
    if digest.before is not None:
        yield f"Compared with {digest.period.before}."
    elif digest.not_compared:
        yield digest.not_compared


def _chart(digest: Digest) -> Iterator[str]:
    most = max(orders for _, orders, _ in digest.days) or 1
    yield "Orders by day"
    for day, orders, _ in digest.days:
        filled = "█" if day >= digest.period.first else "░"
        bar = filled * round(orders / most * BAR_WIDTH) or ("▏" if orders else "")
        yield f"{day:%a} {day_text(day):<7}{orders:>8,}  {bar}".rstrip()


def _top(digest: Digest) -> Iterator[str]:
    if not digest.top:
        return
    yield "Best-selling SKUs, in items"
    for row in digest.top:
        change = figures.change_of_sku(row["quantity"], row["before"])
        yield f"{row['rank']:>3}. {_column(row)}{row['quantity']:>9,}{change:>12}".rstrip()


def _movers(digest: Digest) -> Iterator[str]:
    for title, movers in (("Largest rises", digest.rises), ("Largest falls", digest.falls)):
        if movers:
            yield f"{title}, in items"
            yield from map(_mover, movers)


def _mover(row: Row) -> str:
    sold = f"{row['before']:,} -> {row['now']:,}"
    change = figures.change_of_sku(row["now"], row["before"])
    return f"     {_column(row)}{sold:>17}{change:>12}"


def _notes(digest: Digest) -> Iterator[str]:
    yield from figures.notes(digest)


def _column(row: Row) -> str:
    """SKU and title of *row* in a column; long ones are cut, with ``…``."""
    text = figures.name_of(row)
    return f"{text[: SKU_WIDTH - 1]}…" if len(text) > SKU_WIDTH else f"{text:<{SKU_WIDTH}}"

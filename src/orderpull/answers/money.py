"""Amounts beside the rows of other answers: one for each currency, the largest first."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]

MOST_SKUS = 10_000
"""Up to so many SKUs are named in a query for their amounts; for more, all are read."""

_HUNDREDTH = Decimal("0.01")


def largest_first(rows: Iterable[Row]) -> list[Row]:
    """*rows* of amounts by currency: the largest amount first, then by currency, unknown last."""
    return sorted(
        rows, key=lambda row: (-row["amount"], row["currency"] is None, row["currency"] or "")
    )


def average_order_value(amount: Decimal, orders: int) -> Decimal:
    """*amount* / *orders*, rounded to hundredths, half away from zero."""
    return (amount / orders).quantize(_HUNDREDTH, ROUND_HALF_UP)


def revenue_of(rows: Iterable[Row]) -> list[Row]:
    """(currency, amount, orders, average_order_value) for each currency, the largest first."""
    return [
        {
            "currency": row["currency"],
            "amount": row["amount"],
            "orders": row["orders"],
            "average_order_value": average_order_value(row["amount"], row["orders"]),
        }
        for row in largest_first(rows)
    ]


def with_revenue(rows: Iterable[Row], amounts: Iterable[Row], *keys: str) -> list[Row]:
    """*rows*, each with ``revenue``: a list of (currency, amount), empty if nothing is known.

    :param amounts: rows with *keys*, currency and amount.
    """
    by_key: dict[tuple[Any, ...], list[Row]] = {}
    for each in amounts:
        amount = {"currency": each["currency"], "amount": each["amount"]}
        by_key.setdefault(tuple(each[key] for key in keys), []).append(amount)
    return [
        {**row, "revenue": largest_first(by_key.get(tuple(row[key] for key in keys), ()))}
        for row in rows
    ]


def ranked_by_revenue(rows: Iterable[Row]) -> list[Row]:
    """Rows of a ranking by revenue, with ``revenue`` in place of the columns of the currency."""
    names = ("currency", "amount", "currency_amount")
    return [
        {key: value for key, value in row.items() if key not in names}
        | {"revenue": [{"currency": row["currency"], "amount": row["amount"]}]}
        for row in rows
    ]


def in_columns(rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """*rows* with a column for each currency in place of ``revenue``, and these columns' names.

    A currency is a column ``revenue_EUR``, an unknown one ``revenue_unknown``.
    """
    totals: dict[str, Decimal] = {}
    spread = []
    for row in rows:
        amounts = {column_of(each["currency"]): each["amount"] for each in row.get("revenue", ())}
        for name, amount in amounts.items():
            totals[name] = totals.get(name, Decimal()) + amount
        spread.append({key: value for key, value in row.items() if key != "revenue"} | amounts)
    return spread, sorted(totals, key=lambda name: (-totals[name], name))


def column_of(currency: str | None) -> str:
    """The name of the column with amounts in *currency*."""
    return f"revenue_{currency or 'unknown'}"


def plain(value: Any) -> Any:  # noqa: ANN401 - any part of an answer
    """*value* for JSON: amounts as numbers, in lists and objects too."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list) else value

"""The three panels' numbers, asked the same way for each of the dashboards compared."""

from pathlib import Path
from typing import Any

from orderpull import read_settings, report
from orderpull.answers.report import Report

COUNTRIES = [f"C{number:02}" for number in range(40)]
SETTINGS = read_settings(Path.cwd() / "orderpull.toml")


def asked(countries: list[str] | None) -> Report:
    """The three answers for *countries*, or for all."""
    return report(SETTINGS, country=tuple(countries or ()), top=10)


def bars(rows: list[dict[str, Any]]) -> tuple[list[str], list[int]]:
    """The names and the lengths of a panel's bars."""
    return [row["sku"] for row in rows], [row["quantity"] for row in rows]


def by_country(found: Report) -> dict[str, list[dict[str, Any]]]:
    """The best-selling SKUs of the twelve countries that come first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in found.by_country:
        groups.setdefault(row["country"] or "(no country)", []).append(row)
    return dict(list(groups.items())[:12])

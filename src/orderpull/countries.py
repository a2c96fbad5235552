"""Country names and codes that denote exactly one country: one table for loading and for asking."""

import csv
from collections.abc import Collection
from functools import cache
from importlib import resources


@cache
def country_codes(file: str = "countries.csv") -> dict[str, str]:
    """ISO-2 code by English name, ISO-3 or ISO-2 code, all in upper case."""
    text = (resources.files("orderpull") / file).read_text(encoding="utf-8")
    return {row["given"].upper(): row["code"] for row in csv.DictReader(text.splitlines())}


def country_as_stored(text: str) -> str:
    """*text* as a load stores it: the ISO-2 code where certain, else unchanged."""
    return country_codes().get(text.strip().upper(), text)


@cache
def country_names() -> dict[str, str]:
    """English name by ISO-2 code, as the Unicode CLDR has it."""
    text = (resources.files("orderpull") / "country_names.csv").read_text(encoding="utf-8")
    return {row["code"]: row["name"] for row in csv.DictReader(text.splitlines())}


def country_name(country: str) -> str:
    """English name of *country* if it is a country code, else *country* itself."""
    return country_names().get(country, country)


def nearest_country(country: str, others: Collection[str]) -> str | None:
    """The one of *others* whose name reads most like *country*; None if none does.

    All are as stored, so a code stands for its names.
    """
    import difflib

    names = {name: other for other in others for name in _names(other)}
    for name in _names(country):
        if near := difflib.get_close_matches(name, names, n=1):
            return names[near[0]]
    return None


def _names(country: str) -> list[str]:
    """The names of *country* in upper case, also in its own languages, without codes."""
    known = country_codes() | country_codes("other_country_names.csv")
    names = [name for name, code in known.items() if code == country]
    return [name for name in names if len(name) > len("DEU")] or [country.strip().upper()]

"""Country names and codes that denote exactly one country: one table for loading and for asking."""

import csv
import os
import re
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


def country_meant(text: str, stored: Collection[str], language: str = "") -> str:
    """The country that *text* certainly denotes, as it is stored; else *text* itself.

    :param stored: countries that orders have.
    :param language: a language, such as ``de``, whose names are known beside English ones and those
        in each country's own languages. Needs Babel.
    """
    plain = country_as_stored(text)
    if plain in stored:
        return plain
    name = text.strip().upper()
    code = (country_codes("other_country_names.csv") | _names_in(language)).get(name)
    same = next((each for each in stored if each.upper() == name), None)
    return code if code and code in stored else same or code or plain


def reader_language() -> str:
    """Language of the environment, such as ``de``; empty if none is set."""
    names = (os.environ.get(key) for key in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return re.split(r"[_.@]", next(filter(None, names), ""))[0].lower()


@cache
def _names_in(language: str) -> dict[str, str]:
    """ISO-2 code by name in *language*, in upper case; nothing without Babel or such a language."""
    try:
        from babel import Locale, UnknownLocaleError
    except ImportError:
        return {}
    try:
        territories = Locale.parse(language).territories
    except (ValueError, UnknownLocaleError):
        return {}
    known = set(country_codes().values())
    return {name.upper(): code for code, name in territories.items() if code in known}


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
    """The names of *country* and its parts, also in its own languages, in upper case."""
    files = ("countries.csv", "other_country_names.csv", "parts_of_countries.csv")
    known = {name: code for file in files for name, code in country_codes(file).items()}
    names = [name for name, code in known.items() if code == country]
    return [name for name in names if len(name) > len("DEU")] or [country.strip().upper()]

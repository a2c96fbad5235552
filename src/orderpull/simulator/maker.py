"""Makes orders as a real shop has them, each with its meaning and its JSON text."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

from .goods import Weighted, json_text, quantities, sku_catalogue
from .model import Address, Line, Order
from .people import LANGUAGES, ODD_NAMES, SECOND_LINES
from .places import (
    COUNTRIES,
    COUNTRY_FORMS,
    UNKNOWN_COUNTRIES,
    Country,
    CountryStyle,
    postcodes,
    written_country,
)

Item = TypeVar("Item")

WITHOUT_LINES = 0.02
WITHOUT_ADDRESS = 0.02
REPEATED_SKU = 0.04
NULL_LINE = 0.003
ODD_NAME = 0.01
ODD_FIELDS = 0.04
ASCII_ONLY = 0.02
"""Share of the orders whose text has \\uXXXX escapes for all beyond ASCII."""

NUMBER_FORMS = Weighted(
    [
        ('"100-{:05d}"', 60),
        ('"#{}"', 10),
        ('"113-{:07d}-{:07d}"', 10),
        ('"A{}"', 8),
        ('"000{}"', 6),
        ("5{:06d}", 5),  # a JSON number: it means its digits
        ('"№ {}/é"', 1),
    ]
)
LINE_COUNTS = Weighted(
    [
        (1, 620),
        (2, 200),
        (3, 90),
        (4, 40),
        (5, 20),
        (6, 10),
        (8, 8),
        (10, 5),
        (20, 3),
        (51, 1),
        (60, 1),
    ]
)
NO_LINES = ('"orderItems":[]', '"orderItems":null', "")
NO_ADDRESS = ('"shipToAddress":null', "", '"shipToAddress":{}')
NON_ASCII = re.compile("[^\x00-\x7f]+")


class Entry(NamedTuple):
    """One element of `orderItems`: the line meant (None for a null line) and its JSON text."""

    line: Line | None
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An order in the making: each part with its meaning and its JSON text.

    The text is '' where the member is left out.
    """

    number: str
    number_text: str
    address: Address | None
    address_text: str
    entries: tuple[Entry, ...]
    no_lines_text: str
    ascii_only: bool

    def meaning(self) -> Order:
        """Return the order without its JSON form."""
        return Order(
            self.number,
            self.address,
            tuple(entry.line for entry in self.entries if entry.line is not None),
        )

    def text(self) -> str:
        """Return the order as a JSON object."""
        lines = self.no_lines_text
        if self.entries:
            lines = '"orderItems":[' + ",".join([entry.text for entry in self.entries]) + "]"
        members = (f'"orderNumber":{self.number_text}', self.address_text, lines)
        text = "{" + ",".join(filter(None, members)) + "}"
        return NON_ASCII.sub(_escaped, text) if self.ascii_only else text


class OrderMaker:
    """Makes drafts of orders; the same seed and calls give the same drafts."""

    def __init__(self, seed: int, countries: CountryStyle, *, plain_first: bool = False) -> None:
        """Prepare the shop of this seed. ValueError for an unknown way to write countries."""
        if countries not in COUNTRY_FORMS:
            raise ValueError(
                f"countries must be one of {', '.join(COUNTRY_FORMS)}, not {countries!r}"
            )
        self._random = random.Random(f"{seed}/orders").random
        self._seed = seed
        self._style = countries
        self._countries = Weighted([(country, country.weight) for country in COUNTRIES])
        self._skus = sku_catalogue(seed, plain_first=plain_first)
        self._quantities = quantities()
        self._entries: dict[tuple[str, str], Entry] = {}

    def draft(self, index: int) -> Draft:
        """Return the order with this index (from 1); its number occurs for no other index."""
        number_text = NUMBER_FORMS.at(self._random()).format(index, index * 7919 % 9_999_991)
        address, address_text = self._address()
        return Draft(
            number=number_text.strip('"'),
            number_text=number_text,
            address=address,
            address_text=address_text,
            entries=self._some_entries(),
            no_lines_text=self._pick(NO_LINES),
            ascii_only=self._random() < ASCII_ONLY,
        )

    def revised(self, draft: Draft) -> Draft:
        """Return a later version of the order: other lines, another address, or the same."""
        kind = int(self._random() * 5)
        if kind == 0:
            return draft
        if kind == 1:
            address, address_text = self._address()
            return replace(draft, address=address, address_text=address_text)
        if kind == 2 and draft.entries:
            dropped = int(self._random() * len(draft.entries))
            return replace(draft, entries=draft.entries[:dropped] + draft.entries[dropped + 1 :])
        if kind == 3 and draft.entries:
            return replace(draft, entries=(self._entry(), *draft.entries[1:]))
        return replace(draft, entries=self._some_entries())

    def _pick(self, pool: Sequence[Item]) -> Item:
        return pool[int(self._random() * len(pool))]

    def _some_entries(self) -> tuple[Entry, ...]:
        if self._random() < WITHOUT_LINES:
            return ()
        entries = [self._entry() for _ in range(LINE_COUNTS.at(self._random()))]
        if self._random() < REPEATED_SKU:
            entries.append(self._pick(entries))
        if self._random() < NULL_LINE:
            entries.insert(int(self._random() * (len(entries) + 1)), Entry(None, "null"))
        return tuple(entries)

    def _entry(self) -> Entry:
        sku, member = self._skus.at(self._random())
        pieces, text = self._quantities.at(self._random())
        known = self._entries.get((member, text))
        if known is None:
            known = Entry(Line(sku, pieces), f'{{{member}"quantity":{text}}}')
            self._entries[member, text] = known
        return known

    def _address(self) -> tuple[Address | None, str]:
        if self._random() < WITHOUT_ADDRESS:
            return None, self._pick(NO_ADDRESS)
        country = self._countries.at(self._random())
        written = written_country(country, COUNTRY_FORMS[self._style].at(self._random()))
        address = Address(
            country=country.code,
            line1=self._street(country),
            line2=self._pick(SECOND_LINES) if self._random() < 0.15 else None,
            name=self._name(country),
            postalcode=self._pick(postcodes(country, self._seed)),
            stateprovince=self._pick(country.provinces),
        )
        if self._random() < ODD_FIELDS:
            return self._odd_address(address, written)
        return address, _address_text(address, country=json_text(written))

    def _street(self, country: Country) -> str:
        language = LANGUAGES[country.language]
        return language.street.format(
            street=self._pick(language.streets), house=1 + int(self._random() * 240)
        )

    def _name(self, country: Country) -> str:
        if self._random() < ODD_NAME:
            return self._pick(ODD_NAMES)
        language = LANGUAGES[country.language]
        return language.name.format(
            first=self._pick(language.first), last=self._pick(language.last)
        )

    def _odd_address(self, address: Address, written: str) -> tuple[Address, str]:
        """Return `address` with one field blank, absent, a number, or an unknown country.

        Countries are unknown only where they are written in mixed ways.
        """
        field = self._pick(Address._fields)
        odd = self._pick(("", "  ", None, "absent", "number", "unknown"))
        if odd == "number":
            digits = str(10_000 + int(self._random() * 89_999))
            text = _address_text(address, country=json_text(written), postalcode=digits)
            return address._replace(postalcode=digits), text
        if odd == "unknown":
            if self._style == "mixed":
                written = self._pick(UNKNOWN_COUNTRIES)
                address = address._replace(country=written)
            return address, _address_text(address, country=json_text(written))
        value = None if odd == "absent" else odd
        texts = {"country": json_text(written)}
        texts[field] = "" if odd == "absent" else _value_text(value)
        return address._replace(**{field: value}), _address_text(address, **texts)


JSON_FIELDS = {"postalcode": "postalCode", "stateprovince": "stateProvince"}


def _address_text(address: Address, **texts: str) -> str:
    """Return the member `shipToAddress`; `texts` are JSON texts of fields, '' leaves one out."""
    fields = {name: _value_text(value) for name, value in address._asdict().items()} | texts
    members = [f'"{JSON_FIELDS.get(name, name)}":{text}' for name, text in fields.items() if text]
    return f'"shipToAddress":{{{",".join(members)}}}'


def _value_text(value: str | None) -> str:
    return "null" if value is None else json_text(value)


def _escaped(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

"""The criteria by which a person's orders are searched for."""

import hmac
import json
import re
import unicodedata
from dataclasses import dataclass

from orderpull.engine import duckdb
from orderpull.normalize.person_text import PERSON_TEXT, person_text
from orderpull.sqltext import literal

_STREETS = ("line1", "line1, line2", "line2")
_PLACES = ("", "postalcode", "city", "postalcode, city", "city, postalcode")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The criteria. An order is wanted if it matches all that are set.

    Texts are equal if they are in lower case, with single spaces.

    :param orders: order numbers, any of them. :param name: who receives the parcel.
    :param address: a street line, or both, alone or followed by postal code and city.
    """

    orders: tuple[str, ...] = ()
    name: str = ""
    address: str = ""

    @property
    def is_blank(self) -> bool:
        """True if nothing is set, or one of the texts is blank."""
        texts = [*self.orders, *filter(None, (self.name, self.address))]
        return not texts or not all(_plain(each) or each.strip() for each in texts)

    def __str__(self) -> str:
        """The kinds of criteria, without the person's data."""
        kinds = {"order number": self.orders, "name": self.name, "address": self.address}
        return " and ".join(kind for kind, value in kinds.items() if value)

    def condition(self, connection: duckdb.DuckDBPyConnection, key: bytes) -> str:
        """The criteria as SQL over the columns of an order.

        :param key: the landing's key, by which stored names may be hashed; '' for none.
        """
        conditions = []
        if self.orders:
            numbers = ", ".join(literal(person_text(connection, each)) for each in self.orders)
            conditions.append(f"{PERSON_TEXT.format('ordernumber')} IN ({numbers})")
        if self.name:
            text = person_text(connection, self.name)
            conditions.append(
                f"{PERSON_TEXT.format('name')} = {literal(text)}{_hashed('name', text, key)}"
            )
        if self.address:
            text = person_text(connection, self.address)
            forms = ", ".join(
                PERSON_TEXT.format(f"concat_ws(' ', {street}{', ' if place else ''}{place})")
                for street in _STREETS
                for place in _PLACES
            )
            begins = " OR ".join(
                f"starts_with({literal(text)}, {PERSON_TEXT.format(line)})"
                for line in ("line1", "line2")
            )
            conditions.append(
                f"({begins}) AND {literal(text)} IN ({forms}){_hashed('line1', text, key)}"
            )
        return " AND ".join(f"coalesce({each}, false)" for each in conditions)

    def is_in(self, text: str, number_key: str, *, is_order: bool) -> bool:
        """True if the *text* of a rejected order or fragment names the person.

        :param number_key: key of an order's number.
        :param is_order: the text is a whole order, whose number is compared by its value instead.
        """
        plain = _plain(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text))
        searched = [self.name, self.address]
        if any(each and f" {_plain(each)} " not in f" {plain} " for each in searched):
            return False
        if not self.orders:
            return True
        numbers = "|".join(re.escape(json.dumps(each)[1:-1]) for each in self.orders)
        member = rf'"{re.escape(number_key)}"\s*:\s*"?(?:{numbers})"?\s*[,}}\]]'
        return not is_order and bool(re.search(member, text))


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFC", text).lower()))


def _hashed(column: str, text: str, key: bytes) -> str:
    """SQL condition: the stored *column* is the hash of *text*, by ``keep_names``."""
    if not key:
        return ""
    return f" OR {column} = {literal(hmac.digest(key, text.encode(), 'sha256').hex())}"

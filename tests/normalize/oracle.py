"""What an order means, said a second time, in plain Python and by another way than the product.

It reads JSON with the standard library, numbers as their own text, and the last of two equal keys.
It knows two APIs by heart instead of reading their mapping.
"""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any

BLANKS = (
    "\t\n\v\f\r \x85\xa0\u1680"
    + "".join(map(chr, range(0x2000, 0x200B)))
    + ("\u2028\u2029\u202f\u205f\u3000")
)
MOST = 2**53


class Number(str):
    """A JSON number, as its own text."""

    __slots__ = ()


@dataclass
class Expected:
    """An order as it should be staged."""

    ordernumber: str
    order_id: str
    status: str | None = None
    counted: bool = True
    ordered_at: datetime | None = None
    modified_at: datetime | None = None
    currency: str | None = None
    total: Decimal | None = None
    channel: str | None = None
    discount: Decimal | None = None
    shipping: Decimal | None = None
    tax: Decimal | None = None
    refunded: Decimal | None = None
    customer: str | None = None
    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    name: str | None = None
    postalcode: str | None = None
    stateprovince: str | None = None
    city: str | None = None
    items: dict[str, int] = field(default_factory=dict)


class Bad(Exception):
    """Why an order must be rejected."""

    def __init__(self, reason: str, path: str) -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path


def read(text: str) -> Any:
    """The value that JSON *text* is, objects with the last of equal keys."""
    return json.loads(text, parse_int=Number, parse_float=Number)


def text(value: Any, reason: str, path: str) -> str | None:
    """A text field's text; None for null."""
    if isinstance(value, bool | dict | list):
        raise Bad(reason, path)
    return None if value is None else str(value).replace("\0", "")


def filled(value: str | None) -> str | None:
    """*value*, blank as None."""
    return value if value is not None and value.strip(BLANKS) else None


def identity(value: Any, what: str, path: str) -> str:
    """An order's number or id."""
    known = text(value, f"{what}_invalid", path)
    if filled(known) is None:
        raise Bad(f"{what}_missing", path)
    assert known is not None
    return known


def country(value: str | None) -> str | None:
    """The ISO 3166-1 alpha-2 code where it is required_keys."""
    return None if value is None else _codes().get(upper(value.strip(BLANKS)), value)


def upper(value: str) -> str:
    """Upper case letter by letter, as databases do."""
    return "".join(c.upper() if len(c.upper()) == 1 else c for c in value)


@cache
def _codes() -> dict[str, str]:
    file = resources.files("orderpull") / "countries.csv"
    rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    return {upper(row["given"]): row["code"] for row in rows}


def quantity(value: Any, path: str) -> int:
    """A line's pieces."""
    if value is None or (type(value) is str and not value.strip(BLANKS)):
        raise Bad("quantity_missing", path)
    found = _whole(value)
    if found is None or not 0 <= found <= MOST:
        raise Bad("quantity_invalid", path)
    return found


def _whole(value: Any) -> int | None:
    if isinstance(value, Number):
        if re.fullmatch(r"-?\d+", value):
            return int(value)
        number = float(value)
        signed = str(value).startswith("-")  # -0.0 is not the 0 of a count
        return int(number) if not signed and number <= MOST and number == int(number) else None
    if type(value) is not str:
        return None
    match = re.fullmatch(r"([0-9]+)(\.0+)?", value.strip(BLANKS))
    return int(match[1]) if match else None


_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?([Zz]|(?i:UTC|GMT)|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)


def time(value: str | None, path: str) -> datetime | None:
    """A time in UTC, without zone."""
    if value is None or filled(value) is None:
        return None
    match = _TIME.fullmatch(value.strip(BLANKS))
    if match is None:
        raise Bad("time_invalid", path)
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    try:
        if (hour, minute, second, int(match[7] or 0)) == (24, 0, 0, 0):
            found = datetime(year, month, day) + timedelta(days=1)
        else:
            micro = int((match[7] or "0").ljust(6, "0")[:6])
            found = datetime(year, month, day, hour, minute, second, micro)
        zone = (match[8] or "Z").replace(":", "")
        if zone[0] in "+-":
            hours, minutes = int(zone[1:3]), int(zone[3:] or 0)
            if hours > 23 or minutes > 59:
                raise Bad("time_invalid", path)
            shift = timedelta(hours=hours, minutes=minutes)
            found += -shift if zone[0] == "+" else shift
    except (ValueError, OverflowError):
        raise Bad("time_invalid", path) from None
    return found


def amount(value: str | None, path: str) -> Decimal | None:
    """An amount of money to four places."""
    if value is None or filled(value) is None:
        return None
    stripped = value.strip(BLANKS)
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", stripped):
        raise Bad("total_invalid", path)
    number = Decimal(stripped)
    if number and number.adjusted() > 20:
        raise Bad("total_invalid", path)
    number = number.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    if abs(number) >= Decimal(10) ** 15:
        raise Bad("total_invalid", path)
    return number


def items(lines: Any, path: str, sku_key: str) -> dict[str, int]:
    """Pieces by SKU."""
    if lines is None:
        return {}
    if not isinstance(lines, list):
        raise Bad("lines_invalid", path)
    found: dict[str, int] = {}
    for index, line in enumerate(lines):
        if line is None:
            continue
        if not isinstance(line, dict):
            raise Bad("line_invalid", f"{path}[{index}]")
        sku = filled(text(line.get(sku_key), "sku_invalid", f"{path}[{index}].{sku_key}"))
        pieces = quantity(line.get("quantity"), f"{path}[{index}].quantity")
        found[sku or "(no sku)"] = found.get(sku or "(no sku)", 0) + pieces
    if sum(found.values()) > MOST:
        raise Bad("quantity_invalid", path)
    return found


def address(order: dict[str, Any], key: str, columns: dict[str, str]) -> dict[str, str | None]:
    """Texts of the address under *key*; *columns*: the column of each member."""
    given = None if order.get(key) == [] else order.get(key)  # PHP's empty object
    if given is not None and not isinstance(given, dict):
        raise Bad("address_invalid", f"$.{key}")
    return {
        column: text((given or {}).get(member), "address_invalid", f"$.{key}.{member}")
        for member, column in columns.items()
    }


SKUBANA = {
    "country": "country",
    "line1": "line1",
    "line2": "line2",
    "name": "name",
    "postalCode": "postalcode",
    "stateProvince": "stateprovince",
}
MEDUSA = {
    "country_code": "country",
    "address_1": "line1",
    "address_2": "line2",
    "first_name": "first",
    "last_name": "last",
    "postal_code": "postalcode",
    "province": "stateprovince",
    "city": "city",
}


def skubana(order: Any) -> Expected:
    """An order of the API ``skubana-assessment``. :raises Bad: it must be rejected."""
    if not isinstance(order, dict):
        raise Bad("order_invalid", "$")
    number = identity(order.get("orderNumber"), "number", "$.orderNumber")
    found: dict[str, Any] = {
        c: filled(t) for c, t in address(order, "shipToAddress", SKUBANA).items()
    }
    found["country"] = country(found["country"])
    pieces = items(order.get("orderItems"), "$.orderItems", "sku")
    return Expected(number, number, items=pieces, **found)


def medusa(order: Any) -> Expected:
    """An order of the API ``medusa``. :raises Bad: it must be rejected."""
    if not isinstance(order, dict):
        raise Bad("order_invalid", "$")
    number = identity(order.get("display_id"), "number", "$.display_id")
    order_id = identity(order.get("id"), "id", "$.id")
    given = address(order, "shipping_address", MEDUSA)
    names = [name for n in ("first", "last") if (name := filled(given.pop(n)))]
    names = names if len(names) == 1 else [name.strip(BLANKS) for name in names]
    head = {
        key: text(order.get(key), "text_invalid", f"$.{key}")
        for key in ("status", "created_at", "updated_at", "currency_code", "total")
    }
    gone = order.get("canceled_at")
    gone = gone is not None and (type(gone) is not str or filled(gone.replace("\0", "")))
    currency = filled(head["currency_code"])
    found: dict[str, Any] = {column: filled(value) for column, value in given.items()}
    found["country"] = country(found["country"])
    return Expected(
        number,
        order_id,
        status=filled(head["status"]),
        counted=not gone and (head["status"] or "").lower() not in {"canceled", "draft"},
        ordered_at=time(head["created_at"], "$.created_at"),
        modified_at=time(head["updated_at"], "$.updated_at"),
        currency=upper(currency) if currency else None,
        total=amount(head["total"], "$.total"),
        name=" ".join(names) or None,
        items=items(order.get("items"), "$.items", "variant_sku"),
        **found,
    )


ORACLES: dict[str, Callable[[Any], Expected]] = {
    "skubana-assessment": skubana,
    "medusa": medusa,
}

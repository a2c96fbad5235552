"""The answers for programs: ``/api/…``, read only, as JSON.

Addresses, parameters and shapes are declared once, here and in ``answers.py``; routes, checks and
the description at ``/api/openapi.json`` are made of that.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderpull import __version__
from orderpull.days import EARLIEST, LATEST
from orderpull.errors import UsageError
from orderpull.web import api_answers
from orderpull.web.periods import PERIODS, STEPS
from orderpull.web.queries import Desk
from orderpull.web.question import (
    CHOICES_AT_MOST,
    CUSTOM,
    MEASURES,
    PAGE_AT_MOST,
    TEXT_AT_MOST,
    TOP_AT_MOST,
    Params,
    read_question,
)

Schema = dict[str, Any]
TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": TEXT_AT_MOST,
    "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$",
}
SEVERAL: Schema = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": CHOICES_AT_MOST}
DAY: Schema = {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an address. :param schema: what it may be, as JSON Schema."""

    name: str
    about: str
    schema: Schema
    required: bool = False


def one_of(*choices: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": [*choices]}


def whole(most: int, standard: int) -> Schema:
    """A whole number from 1."""
    return {"type": "integer", "minimum": 1, "maximum": most, "default": standard}


CHOSEN = (
    Parameter(
        "country",
        "Only this country, by its code; may stand several times. `(no country)`: without one.",
        SEVERAL,
    ),
    Parameter("source", "Only this source; may stand several times.", SEVERAL),
    Parameter("period", "Only this period.", one_of(*PERIODS, CUSTOM)),
    Parameter("since", f"The first day instead, from {EARLIEST}, in `report.timezone`.", DAY),
    Parameter("until", f"The last day instead, until {LATEST}, not before the first.", DAY),
)
SOURCE = (CHOSEN[1],)
TOP = Parameter("top", "How many SKUs.", whole(TOP_AT_MOST, 10))
SEARCH = Parameter("q", "Only SKUs that hold this text.", TEXT)
SKU = Parameter("sku", "The SKU.", TEXT, required=True)
STEP = Parameter("by", "The step; else one that fits.", one_of(*STEPS))
MEASURE = Parameter("show", "What the rank is by.", one_of(*MEASURES))
PAGE = Parameter("page", f"Which page of {api_answers.ROWS_AT_ONCE} rows.", whole(PAGE_AT_MOST, 1))
OF_PAGES = frozenset({"theme", "was", "every"})
"""What the pages' addresses may say too; it changes no answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address: what is read there, and what may be asked."""

    path: str
    about: str
    read: Callable[[Desk, Any], Struct]
    answer: type[Struct]
    parameters: Sequence[Parameter] = CHOSEN


ADDRESSES = (
    Address("totals", "Totals, and those before", api_answers.compared, api_answers.Compared),
    Address(
        "trend", "Orders and items by time", api_answers.trend, api_answers.Trend, (*CHOSEN, STEP)
    ),
    Address(
        "countries",
        "Countries, ranked",
        api_answers.countries,
        api_answers.Countries,
        (*CHOSEN, MEASURE),
    ),
    Address(
        "popular-skus",
        "Best-selling SKUs",
        api_answers.popular_skus,
        api_answers.PopularSkus,
        (*CHOSEN, TOP, SEARCH),
    ),
    Address(
        "popular-skus-by-country",
        "Best-selling SKUs of each country",
        api_answers.popular_skus_by_country,
        api_answers.PopularSkusByCountry,
        (*CHOSEN, TOP, SEARCH),
    ),
    Address("skus", "All SKUs", api_answers.skus, api_answers.Skus, (*CHOSEN, SEARCH, PAGE)),
    Address(
        "orders",
        "The orders with a SKU",
        api_answers.orders,
        api_answers.Orders,
        (SKU, *CHOSEN, PAGE),
    ),
    Address("runs", "The last runs", api_answers.runs, api_answers.Runs, ()),
    Address("rejects", "Open rejects", api_answers.rejects, api_answers.RejectsByReason, SOURCE),
    Address(
        "standing", "How fresh and how whole", api_answers.standing, api_answers.Standing, SOURCE
    ),
)
"""Everything under ``/api/``."""

KNOWN = OF_PAGES | {each.name for address in ADDRESSES for each in address.parameters}


def routes(desk: Desk) -> list[Route]:
    """The addresses, answered from *desk*."""
    found = [
        Route(f"/api/{address.path}", _answering(desk, address), name=address.path)
        for address in ADDRESSES
    ]
    return [*found, Route("/api/openapi.json", _describing())]


def _answering(desk: Desk, address: Address) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        pairs = request.query_params.multi_items()
        refuse_unfit(pairs, address.parameters)
        return _json(request, msgspec.json.encode(address.read(desk, read_question(pairs))))

    return answer


def _describing() -> Callable[[Request], Response]:
    text = msgspec.json.encode(description())
    return lambda request: _json(request, text)


def _json(request: Request, body: bytes) -> Response:
    """*body*, or that it is still what the asker has."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Authorization, Cookie"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def refuse_unfit(pairs: Params, parameters: Sequence[Parameter]) -> None:
    """Refuse what the description does not allow; a misspelt filter would answer something else.

    :raises UsageError: a parameter is not known, is missing, is empty, or stands twice.
    """
    names = [name for name, _ in pairs]
    for name in names:
        if name not in KNOWN:
            near = difflib.get_close_matches(name, KNOWN, n=1)
            told = f"Did you mean {near[0]}?" if near else "See /api/openapi.json."
            raise UsageError("The address holds a parameter that is not known.", told)
    for each in parameters:
        values = [value for name, value in pairs if name == each.name]
        if each.required and not values:
            raise UsageError(f"The address lacks {each.name}.")
        most = each.schema.get("maxItems", 1)
        if len(values) > most:
            told = "once" if most == 1 else f"{most} times"
            raise UsageError(f"{each.name} may stand {told}.")
        if not all(values) or any(unlike(value, each.schema) for value in values):
            raise UsageError(f"{each.name} is not what it may be.", "See /api/openapi.json.")


def unlike(value: str, schema: Schema) -> bool:
    """Whether *value* is written otherwise than *schema* has it; bounds are the question's."""
    if schema["type"] == "integer":
        return not re.fullmatch(r"[1-9][0-9]*", value)
    if schema.get("format") == "date":
        return not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)
    return False


def description() -> Schema:
    """The API as OpenAPI 3.1."""
    shapes: list[type[Struct]] = [*(address.answer for address in ADDRESSES), api_answers.Problem]
    references, schemas = msgspec.json.schema_components(
        shapes, ref_template="#/components/schemas/{name}"
    )
    of: dict[type[Struct], Schema] = dict(zip(shapes, references, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orderpull",
            "version": __version__,
            "description": "What the pages show, for programs. Times are UTC.",
        },
        "paths": {
            f"/api/{address.path}": {"get": _operation(address, of)} for address in ADDRESSES
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(address: Address, of: dict[type[Struct], Schema]) -> Schema:
    problem = {"application/json": {"schema": of[api_answers.Problem]}}
    meanings = {
        "400": "A parameter is not known, or not what it may be.",
        "401": "Only who signs in is answered.",
        "503": "The warehouse cannot be read.",
        "default": "Anything else that is wrong.",
    }
    answered = {"application/json": {"schema": of[address.answer]}}
    return {
        "operationId": address.path,
        "summary": address.about,
        "parameters": [
            {
                "name": each.name,
                "in": "query",
                "description": each.about,
                "required": each.required,
                "schema": each.schema,
            }
            for each in address.parameters
        ],
        "responses": {
            "200": {"description": "The answer.", "content": answered},
            "304": {"description": "It is what If-None-Match names."},
            **{
                status: {"description": meaning, "content": problem}
                for status, meaning in meanings.items()
            },
        },
    }

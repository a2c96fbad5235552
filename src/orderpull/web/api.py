"""The HTTP API for programs: ``/api/…``, read-only, JSON.

Each endpoint is declared once, here and in ``api_answers.py``. Routes, validation and the
description at ``/api/openapi.json`` are made from the declaration.
"""

import difflib
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orderpull import __version__
from orderpull.days import EARLIEST, LATEST
from orderpull.errors import UsageError
from orderpull.web import api_answers as answers
from orderpull.web.api_shapes import Problem
from orderpull.web.cache import CachedQueries
from orderpull.web.periods import COMPARES, PERIODS, STEPS
from orderpull.web.question import (
    CUSTOM,
    DEFAULT_TOP,
    MAX_CHOICES,
    MAX_PAGE,
    MAX_TEXT,
    MAX_TOP,
    MEASURES,
    SORTS,
    Params,
    read_question,
)
from orderpull.web.totals import Filtered

Schema = dict[str, Any]
TEXT: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f]+$",
}
TEXTS: Schema = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MAX_CHOICES}
DAY: Schema = {"type": "string", "format": "date"}


def parameter(name: str, description: str, schema: Schema, *, required: bool = False) -> Schema:
    """A query parameter of OpenAPI. :param schema: its JSON Schema."""
    return {
        "name": name,
        "in": "query",
        "description": description,
        "required": required,
        "schema": schema,
    }


def enum(*choices: str) -> Schema:
    """Schema of one of these texts."""
    return {"type": "string", "enum": [*choices]}


def integer(maximum: int, default: int) -> Schema:
    """Schema of a whole number from 1 to *maximum*."""
    return {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}


FILTERS = (
    parameter(
        "country",
        "Only this country, by code or name; repeatable. `(no country)`: orders without a country.",
        TEXTS,
    ),
    parameter("source", "Only this source; repeatable.", TEXTS),
    parameter(
        "channel", "Only this channel; repeatable. `(no channel)`: orders without a channel.", TEXTS
    ),
    parameter("period", "Only this period.", enum(*PERIODS, CUSTOM)),
    parameter(
        "since", f"First day, instead of a period; from {EARLIEST}, in `report.timezone`.", DAY
    ),
    parameter("until", f"Last day, instead of a period; until {LATEST}, not before since.", DAY),
)
SOURCE = (FILTERS[1],)
TOP = parameter("top", "Number of SKUs.", integer(MAX_TOP, DEFAULT_TOP))
SEARCH = parameter("q", "Only SKUs that contain this text, they or their title.", TEXT)
SKU = parameter("sku", "The SKU.", TEXT, required=True)
STEP = parameter("by", "Step of the trend; default: chosen by the period's length.", enum(*STEPS))
COMPARE = parameter("compare", "Earlier days to compare with.", enum(*COMPARES))
MEASURE = parameter("show", "Measure that rows are ranked by, or a trend shows.", enum(*MEASURES))
SORT = parameter("sort", "Rank by the change itself, or by its share.", enum(*SORTS))
CURRENCY = parameter(
    "currency", "Currency of revenue; default: the one with the largest amount.", TEXT
)
RANKING = (*FILTERS, MEASURE, CURRENCY, TOP, SEARCH)
TREND = (*FILTERS, STEP, COMPARE, MEASURE, CURRENCY)
PAGE = parameter("page", f"Page of {answers.PAGE_ROWS} rows, from 1.", integer(MAX_PAGE, 1))
PAGE_PARAMETERS = frozenset({"theme", "was", "back", "every"})
"""Parameters of the web pages. The API accepts and ignores them."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint of the API.

    :param read: its query; the return annotation is the shape of the answer.
    :param cached: False if *read* gets the cached queries and the question, and chooses itself.
    """

    path: str
    summary: str
    read: Callable[..., Struct]
    parameters: Sequence[Schema] = FILTERS
    cached: bool = True


ENDPOINTS = (
    Endpoint(
        "totals",
        "Totals, and those of the period before",
        answers.compared,
        (*FILTERS, COMPARE),
    ),
    Endpoint("trend", "Orders and items by time", answers.trend, TREND),
    Endpoint("countries", "Countries, ranked", answers.countries, (*FILTERS, MEASURE)),
    Endpoint("popular-skus", "Best-selling SKUs", answers.popular_skus, RANKING),
    Endpoint(
        "popular-skus-by-country",
        "Best-selling SKUs of each country",
        answers.popular_skus_by_country,
        RANKING,
    ),
    Endpoint("channels", "Channels, ranked", answers.channels, (*FILTERS, MEASURE)),
    Endpoint("customers", "New and returning customers", answers.customers),
    Endpoint(
        "movers",
        "SKUs that rose and fell the most against the period before",
        answers.movers,
        (*FILTERS, COMPARE, MEASURE, SORT, TOP),
    ),
    Endpoint("skus", "All SKUs", answers.skus, (*FILTERS, MEASURE, CURRENCY, SEARCH, PAGE)),
    Endpoint("orders", "Orders with a SKU", answers.orders, (SKU, *FILTERS, PAGE)),
    Endpoint("runs", "Last runs", answers.runs, ()),
    Endpoint("rejects", "Open rejects", answers.rejects, SOURCE),
    Endpoint("standing", "Freshness and completeness", answers.standing, SOURCE, cached=False),
)
"""All endpoints under ``/api/``, except the description."""

KNOWN_PARAMETERS = PAGE_PARAMETERS | {
    each["name"] for endpoint in ENDPOINTS for each in endpoint.parameters
}


def routes(queries: CachedQueries) -> list[Route]:
    """Build the routes of all endpoints, answered by *queries*."""
    endpoints = [
        Route(f"/api/{endpoint.path}", _handler(queries, endpoint), name=endpoint.path)
        for endpoint in ENDPOINTS
    ]
    description = msgspec.json.encode(openapi())
    return [*endpoints, Route("/api/openapi.json", lambda request: _json(request, description))]


def _handler(queries: CachedQueries, endpoint: Endpoint) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        params = request.query_params.multi_items()
        validate(params, endpoint.parameters)
        question, read = queries.with_countries_meant(read_question(params)), endpoint.read
        answer = queries.get(question, read) if endpoint.cached else read(queries, question)
        if isinstance(answer, Filtered) and (absent := queries.absent_countries(question)):
            answer = replace(answer, countries_without_orders=absent)
        return _json(request, msgspec.json.encode(answer))

    return answer


def _json(request: Request, body: bytes) -> Response:
    """JSON response with an ETag, or 304 Not Modified."""
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"etag": etag, "cache-control": "private, no-cache", "vary": "Authorization, Cookie"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def validate(params: Params, parameters: Sequence[Schema]) -> None:
    """Check a query string by the description. A misspelt filter must not be ignored.

    :raises UsageError: a parameter is unknown, missing, empty, malformed, or repeated too often.
    """
    for name, _ in params:
        if name not in KNOWN_PARAMETERS:
            near = difflib.get_close_matches(name, KNOWN_PARAMETERS, n=1)
            hint = f"Did you mean {near[0]}?" if near else "See /api/openapi.json."
            raise UsageError("The address has an unknown parameter.", hint)
    for each in parameters:
        key, schema = each["name"], each["schema"]
        values = [value for name, value in params if name == key]
        if each["required"] and not values:
            raise UsageError(f"The address lacks the parameter {key}.")
        most = schema.get("maxItems", 1)
        if len(values) > most:
            times = "once" if most == 1 else f"{most} times"
            raise UsageError(f"The parameter {key} may occur {times}.")
        if not all(values) or any(is_malformed(value, schema) for value in values):
            raise UsageError(f"{key} has an invalid value.", "See /api/openapi.json.")


def is_malformed(value: str, schema: Schema) -> bool:
    """True if *value* is not written as *schema* says; ``read_question`` checks its bounds."""
    if schema["type"] == "integer":
        return not re.fullmatch(r"[1-9][0-9]*", value)
    if schema.get("format") == "date":
        return not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)
    return False


def openapi() -> Schema:
    """Describe the API in OpenAPI 3.1."""
    shapes = [*(get_type_hints(each.read)["return"] for each in ENDPOINTS), Problem]
    (*shown, problem), schemas = msgspec.json.schema_components(
        shapes, ref_template="#/components/schemas/{name}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "orderpull",
            "version": __version__,
            "description": "The numbers of the web pages, for programs. Times are UTC.",
        },
        "paths": {
            f"/api/{each.path}": {"get": _operation(each, schema, problem)}
            for each, schema in zip(ENDPOINTS, shown, strict=True)
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(endpoint: Endpoint, schema: Schema, problem: Schema) -> Schema:
    answer = {"application/json": {"schema": schema}}
    content = {"application/json": {"schema": problem}}
    errors = {
        "400": "A parameter is unknown or invalid.",
        "401": "Sign-in is required.",
        "503": "The warehouse cannot be read.",
        "default": "Any other error.",
    }
    return {
        "operationId": endpoint.path,
        "summary": endpoint.summary,
        "parameters": endpoint.parameters,
        "responses": {
            "200": {"description": "The answer.", "content": answer},
            "304": {"description": "Not modified since the ETag in If-None-Match."},
            **{
                status: {"description": meaning, "content": content}
                for status, meaning in errors.items()
            },
        },
    }

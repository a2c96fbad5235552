"""The answers for programs: as the pages have them, as they are described, and to who may ask."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as tried
from schemathesis import GenerationMode
from schemathesis.openapi.loaders import from_url
from schemathesis.schemas import BaseSchema

from orderpull import Settings
from orderpull.web.api import ENDPOINTS, FILTERS
from orderpull.web.security import MAX_QUERY_BYTES
from tests.docs.markdown import ROOT, rows, section
from tests.web.raw_client import BEARER, TOKEN, Answer, ask, locked, signed_in
from tests.web.shop import Order, fill, finished_run, rows_of, serving, settings_in

PATHS = [f"/api/{address.path}" for address in ENDPOINTS]


@pytest.fixture(scope="module")
def shut(sold: Settings) -> Iterator[str]:
    """The shop that many tests look at, behind a password and a token."""
    with serving(locked(sold)) as url:
        yield url


def got(site: str, target: str) -> Any:
    """What programs get, which must be well."""
    answer = ask(site, target, BEARER)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def table(answer: Answer) -> list[list[str]]:
    """The cells of a CSV file."""
    import csv
    import io

    return list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))


QUERIES = [
    "",
    "?country=DE&country=(no%20country)",
    "?period=30d&source=shop&top=3",
    "?q=sku-1&show=orders",
    "?since=2030-01-01",
]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize(
    "name", ["countries", "popular-skus", "popular-skus-by-country", "skus", "rejects"]
)
def test_programs_get_what_files_hold(shut: str, name: str, query: str) -> None:
    """Row by row the same as the CSV file of the same question."""
    used = {
        each["name"] for address in ENDPOINTS if address.path == name for each in address.parameters
    }
    asked = "&".join(
        part for part in query.lstrip("?").split("&") if part.partition("=")[0] in used
    )
    head, *lines = table(ask(shut, f"/csv/{name}?{asked}", BEARER))
    rows = got(shut, f"/api/{name}?{asked}")["rows"]
    none = {"country": "(no country)"}
    for row, line in zip(rows, lines, strict=True):
        told = {
            key: none.get(key, "") if row[key] is None else str(row[key])
            for key in head
            if key != "newest"
        }
        cells = {
            key: cell.lstrip("'") if cell[:2] in {"'=", "'-"} else cell
            for key, cell in zip(head, line, strict=True)
        }
        assert told == {key: cell for key, cell in cells.items() if key != "newest"}


def test_totals_and_trend_add_up(shut: str) -> None:
    """The bars and the undated are all orders; the totals are those of the file."""
    told = got(shut, "/api/totals")
    _, line = table(ask(shut, "/csv/totals", BEARER))
    totals = told["totals"]
    assert totals.pop("revenue") == []
    assert [str(value) for value in totals.values()] == line
    trend = got(shut, "/api/trend?by=month")
    assert trend["step"] == "month"
    assert sum(bar["orders"] for bar in trend["bars"]) + trend["undated"] == totals["orders"]
    month = got(shut, "/api/totals?period=30d")
    assert month["before"]["orders"] > 0
    assert month["undated"] == 1


@pytest.mark.slow
def test_long_tables_come_page_by_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Pages together are the whole, each row once."""
    settings = settings_in(tmp_path_factory.mktemp("many"))
    fill(
        settings,
        rows_of(
            [Order(str(n), items={"PEN": 1, f"S{n}": 1}) for n in range(501)], [finished_run()]
        ),
    )
    with serving(settings) as site:
        for path, key in (("/api/orders?sku=PEN&", "ordernumber"), ("/api/skus?", "sku")):
            pages = [json.loads(ask(site, f"{path}page={n}").text) for n in (1, 2, 3)]
            assert [page["pages"] for page in pages] == [2] * 3
            found = [row[key] for page in pages for row in page["rows"]]
            assert len(found) == len(set(found)) == 501 + (key == "sku")


def test_standing_and_runs_are_told(shut: str) -> None:
    standing = got(shut, "/api/standing")
    assert standing["last_pulled"].endswith("Z")
    assert standing["complete_through"] is None
    assert {"source": "outlet", "pulled_at": None} in standing["sources"]
    assert any("outlet: the last run failed" in each for each in standing["warnings"])
    assert standing["rejected"] == 1
    runs = got(shut, "/api/runs")["rows"]
    assert [run["run"] for run in runs] == [2, 1]
    assert got(shut, "/api/rejects?source=outlet")["rows"] == []


WRONG = {
    "/api/totals?contry=DE": "Did you mean country?",
    "/api/totals?x=1": "unknown parameter",
    "/api/totals?period=ever": "period must be one of",
    "/api/totals?period=": "period has an invalid value",
    "/api/totals?period=7d&period=30d": "period may occur once",
    "/api/totals?" + "&".join(["country=DE"] * 301): "country may occur 300 times",
    "/api/trend?since=2026-02-01&until=2026-01-01": "before it begins",
    "/api/trend?since=20260201": "since has an invalid value",
    "/api/popular-skus?top=201": "top must be a whole number",
    "/api/popular-skus?top=+7": "top has an invalid value",
    "/api/orders": "lacks the parameter sku",
    "/api/orders?sku=": "sku has an invalid value",
    "/api/orders?sku=%00": "odd characters",
    "/api/skus?page=0": "page has an invalid value",
}


@pytest.mark.parametrize("target", WRONG)
def test_what_is_wrong_is_said_in_words(shut: str, target: str) -> None:
    answer = ask(shut, target, BEARER)
    assert answer.status == 400
    assert list(json.loads(answer.text)) == ["error", "hint"]
    assert WRONG[target] in answer.text


@pytest.mark.parametrize("path", [*PATHS, "/api/openapi.json", "/api/nothing"])
def test_only_who_signs_in_is_answered(shut: str, path: str) -> None:
    """By token or by session; else 401, as JSON."""
    target = path + ("?sku=PEN" if path == "/api/orders" else "")
    answer = ask(shut, target)
    assert answer.status == 401
    assert "hint" in json.loads(answer.text)
    assert answer.headers["www-authenticate"] == 'Bearer realm="orderpull"'
    expected = 404 if path == "/api/nothing" else 200
    for way in (BEARER, signed_in(shut)):
        answer = ask(shut, target, way)
        assert answer.status == expected
        assert answer.headers["content-type"] == "application/json"
        assert "Secret" not in answer.text


def test_what_one_has_is_not_sent_again(shut: str) -> None:
    first = ask(shut, "/api/popular-skus", BEARER)
    assert first.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in first.headers["vary"]
    again = ask(shut, "/api/popular-skus", BEARER, f"If-None-Match: {first.headers['etag']}")
    assert (again.status, again.text) == (304, "")
    other = ask(shut, "/api/popular-skus?top=3", BEARER, f"If-None-Match: {first.headers['etag']}")
    assert other.status == 200


def test_where_nothing_can_be_read_that_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    with serving(settings_in(tmp_path_factory.mktemp("nothing"))) as site:
        for path in PATHS:
            answer = ask(site, path + ("?sku=PEN" if path == "/api/orders" else ""))
            assert answer.status == 503
            assert "nothing to read yet" in json.loads(answer.text)["error"]
            assert answer.headers["retry-after"]


def test_the_docs_name_every_address_and_what_it_asks() -> None:
    file = ROOT / "docs" / "dashboard.md"
    told = {row["address"]: row for row in rows(section(file, "## For programs"))}
    assert list(told) == PATHS
    for address in ENDPOINTS:
        row = told[f"/api/{address.path}"]
        names = [each["name"] for each in address.parameters]
        chosen = [each["name"] for each in FILTERS]
        if set(chosen) <= set(names):
            names = [name for name in names if name not in chosen]
        assert (row["answers"], re.findall(r"\w+", row["asks"])) == (address.summary, names)


@pytest.fixture(scope="module")
def described(shut: str) -> BaseSchema:
    """The API as it describes itself."""
    return from_url(f"{shut}/api/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"})


LISTS = ("country", "source", "channel")


def put_days_in_order(query: dict[str, Any]) -> None:
    """What JSON Schema cannot say: days lie between two others, and the last is not before the first."""
    days = [name for name in ("since", "until") if name in query]
    years = sorted(f"{1970 + int(query[name][:4]) % 230}{query[name][4:]}" for name in days)
    query |= {name: day.replace("-02-29", "-02-28") for name, day in zip(days, years, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", PATHS)
def test_it_does_what_its_description_says(
    described: BaseSchema, path: str, mode: GenerationMode
) -> None:
    """Asked what the description allows, or what it does not: answered in its shape, or refused."""
    operation: Any = described[path]["GET"]

    @given(case=operation.as_strategy(generation_mode=mode))
    @tried(
        max_examples=25, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def ask_it(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:
            put_days_in_order(case.query)
        else:  # a text in place of a list of one is the same in an address
            assume(not any(isinstance(case.query.get(name), str | int) for name in LISTS))
        response = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
        if response.status_code == 414:
            assert len(str(response.request.url)) > MAX_QUERY_BYTES
        else:
            case.validate_response(response)

    ask_it()

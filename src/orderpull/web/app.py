"""The pages and their addresses."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from orderpull import __version__, clock, views
from orderpull.destinations.protocol import Reader
from orderpull.errors import DestinationError, OrderpullError, UsageError
from orderpull.settings import Settings
from orderpull.web import chart, periods, standing
from orderpull.web.formats import Formats, ago, country_name, locale_of, visible, with_commands
from orderpull.web.guarding import Guard
from orderpull.web.keeping import Warehouse
from orderpull.web.overview import Asked, read_overview
from orderpull.web.question import Question, read_question
from orderpull.web.tables import RUNS_SHOWN, TABLES, write_table

HERE = Path(__file__).parent
ROWS_SHOWN = 50
CSV_IN_MEMORY = 4 << 20

Found = TypeVar("Found")


class Pages:
    """The pages over one warehouse.

    Its methods are run in threads, since reading waits for the warehouse.
    """

    def __init__(self, settings: Settings) -> None:
        self.zone = ZoneInfo(settings.report.timezone)
        self.sources = tuple(settings.sources)
        self.warehouse = Warehouse(settings)
        self.templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.templates.globals.update(
            version=__version__, periods=periods.PERIODS, steps=periods.STEPS
        )
        self.templates.filters.update(sku=visible, country=country_name, command=with_commands)

    def overview(self, request: Request) -> Response:
        """The three answers, totals, trend and countries."""
        question = _question(request)
        if request.query_params.get("was") and not _by_htmx(request):
            return RedirectResponse(question.url(), 303)
        page = self._ask("overview", question, read_overview)
        drawing = chart.drawn(page.trend, question.measure)
        response = self._page(request, question, "overview.html", page=page, drawing=drawing)
        if request.query_params.get("was"):
            response.headers["hx-push-url"] = question.url()
        return response

    def skus(self, request: Request) -> Response:
        """All SKUs of what is chosen, page by page."""
        question = _question(request)

        def read(asked: Asked) -> tuple[list[dict[str, Any]], int]:
            rows = views.popular_sku_found(
                asked.chosen, question.search, ROWS_SHOWN, (question.page - 1) * ROWS_SHOWN
            )
            count = asked.reader.rows(views.skus_counted(asked.chosen, question.search))
            return asked.reader.rows(rows), count[0]["skus"]

        rows, count = self._ask("skus", question, read)
        shown = {"rows": rows, "count": count, "last_page": -(-count // ROWS_SHOWN)}
        return self._page(request, question, "skus.html", **shown)

    def orders(self, request: Request) -> Response:
        """The orders with one SKU, page by page."""
        question = _question(request)
        if not question.sku:
            raise UsageError("The address names no SKU.", "Choose one on the page before.")

        def read(asked: Asked) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            offset = (question.page - 1) * ROWS_SHOWN
            rows = views.orders_with_sku(asked.chosen, question.sku, ROWS_SHOWN, offset)
            count = asked.reader.rows(views.sku_counted(asked.chosen, question.sku))
            return asked.reader.rows(rows), count[0]

        rows, count = self._ask("orders", question, read)
        shown = {"rows": rows, "count": count, "last_page": -(-count["orders"] // ROWS_SHOWN)}
        return self._page(request, question, "orders.html", **shown)

    def runs(self, request: Request) -> Response:
        """The last runs, and the open rejects by reason."""
        question = _question(request)

        def read(asked: Asked) -> list[dict[str, Any]]:
            return asked.reader.rows(views.runs(RUNS_SHOWN))

        runs = self._ask("runs", question, read)
        shown = {"runs": runs, "to_do": standing.TO_DO, "look": standing.LOOK}
        return self._page(request, question, "runs.html", **shown)

    def csv(self, request: Request) -> Response:
        """A table as a CSV file."""
        name = request.path_params["name"]
        if name not in TABLES:
            raise HTTPException(404)
        question = _question(request)
        today = periods.today(self.zone)
        # Written whole before the first byte is sent, so that a fault is never half a file.
        file = tempfile.SpooledTemporaryFile(CSV_IN_MEMORY)  # noqa: SIM115 - closed when sent

        def read(reader: Reader) -> None:
            write_table(name, Asked(reader, question, today, self.zone), file)

        try:
            self.warehouse.read(read)
        except BaseException:
            file.close()
            raise
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(_sent(file), media_type="text/csv", headers=headers)

    def problem(self, request: Request, error: Exception) -> Response:
        """A page that says what is wrong."""
        if isinstance(error, HTTPException):
            status, message, hint = error.status_code, "There is no such page.", ""
        elif isinstance(error, UsageError):
            status, message, hint = 400, error.message, error.hint
        elif isinstance(error, OrderpullError):
            status, message, hint = 503, error.message, error.hint
        else:
            status, message, hint = 500, "The page failed.", "The log tells where."
        words = {"message": message, "hint": hint, "status": status, "question": Question()}
        text = self.templates.get_template("problem.html").render(path=request.url.path, **words)
        headers = {"retry-after": "5"} if status == 503 else None  # noqa: PLR2004
        return HTMLResponse(text, status, headers)

    def _ask(self, name: str, question: Question, read: Callable[[Asked], Found]) -> Found:
        today = periods.today(self.zone)
        return self.warehouse.ask(
            (name, question, today),
            lambda reader: read(Asked(reader, question, today, self.zone)),
        )

    def _standing(self, question: Question) -> standing.Standing:
        return self._ask(
            "standing",
            Question(sources=question.sources),
            lambda asked: standing.read_standing(asked.reader, asked.chosen, self.sources),
        )

    def _page(self, request: Request, question: Question, template: str, **words: Any) -> Response:  # noqa: ANN401 - what templates name
        now = clock.now()
        text = self.templates.get_template(template).render(
            question=question,
            path=request.url.path,
            standing=self._standing(question),
            formats=Formats(locale_of(request.headers.get("accept-language", "")), self.zone),
            days=question.days(periods.today(self.zone)),
            now=now,
            ago=ago,
            **words,
        )
        return HTMLResponse(text, headers={"vary": "Accept-Language, HX-Request"})


def _question(request: Request) -> Question:
    return read_question(request.query_params.multi_items())


def _by_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while some := file.read(1 << 16):
            yield some


def application(settings: Settings) -> Starlette:
    """The pages as an ASGI application."""
    pages = Pages(settings)
    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/skus", pages.skus),
            Route("/orders", pages.orders),
            Route("/runs", pages.runs),
            Route("/csv/{name}", pages.csv),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(Guard), Middleware(GZipMiddleware, minimum_size=500)],
        exception_handlers={
            HTTPException: pages.problem,
            UsageError: pages.problem,
            DestinationError: pages.problem,
            Exception: pages.problem,
        },
    )

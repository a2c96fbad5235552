"""The pages and their addresses."""

import tempfile
from collections.abc import Collection, Iterator
from typing import IO, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from orderpull import clock
from orderpull.answers import from_orders
from orderpull.destinations.protocol import Reader
from orderpull.errors import DestinationError, OrderpullError, RightMissing, UsageError
from orderpull.settings import Settings
from orderpull.web import api, chart, freshness
from orderpull.web.auth import Door
from orderpull.web.csv_export import RUNS_SHOWN, TABLES, write_table
from orderpull.web.formats import Formats, ago, locale_of
from orderpull.web.login import SignIn
from orderpull.web.metrics import Measured, Metrics
from orderpull.web.overview import Asked, read_overview
from orderpull.web.queries import Desk, NextPull
from orderpull.web.question import Question, read_question
from orderpull.web.rendering import HERE, Renderer, until
from orderpull.web.security import FOR_PROGRAMS, Guard
from orderpull.web.sessions import Sessions

ROWS_SHOWN = 50
CSV_IN_MEMORY = 4 << 20


class Pages:
    """The pages over one warehouse. Its methods are run in threads."""

    def __init__(self, desk: Desk, renderer: Renderer, *, addresses: bool) -> None:
        self.desk = desk
        self.renderer = renderer
        self.addresses = addresses

    def overview(self, request: Request) -> Response:
        """The three answers, totals, trend and countries."""
        question = _question(request)
        if request.query_params.get("was") and not _by_htmx(request):
            return RedirectResponse(question.url(), 303)
        page = self.desk.ask("overview", question, read_overview)
        drawing = chart.drawn(page.trend, question.measure)
        response = self._page(request, question, "overview.html", page=page, drawing=drawing)
        if request.query_params.get("was"):
            response.headers["hx-push-url"] = question.url()
        return response

    def skus(self, request: Request) -> Response:
        """All SKUs of what is chosen, page by page."""
        question = _question(request)

        def read(asked: Asked) -> tuple[list[dict[str, Any]], int]:
            rows = asked.about(asked.chosen).popular_sku_found(
                asked.chosen, question.search, ROWS_SHOWN, (question.page - 1) * ROWS_SHOWN
            )
            count = asked.reader.rows(
                asked.about(asked.chosen).skus_counted(asked.chosen, question.search)
            )
            return asked.reader.rows(rows), count[0]["skus"]

        rows, count = self.desk.ask("skus", question, read)
        shown = {"rows": rows, "count": count, "last_page": -(-count // ROWS_SHOWN)}
        return self._page(request, question, "skus.html", **shown)

    def orders(self, request: Request) -> Response:
        """The orders with one SKU, page by page; with addresses for people who may see them."""
        question = _question(request)
        if not question.sku:
            raise UsageError("The address names no SKU.", "Choose one on the page before.")
        wanted = self.addresses and request.scope["visitor"].may_see_addresses
        addressed = wanted
        try:
            rows, count = self._orders(question, addressed=addressed)
        except RightMissing:
            if not wanted:
                raise
            addressed = False
            rows, count = self._orders(question, addressed=addressed)
        shown = {"rows": rows, "count": count, "last_page": -(-count["orders"] // ROWS_SHOWN)}
        shown |= {"addressed": addressed, "barred": wanted and not addressed}
        return self._page(request, question, "orders.html", **shown)

    def _orders(
        self, question: Question, *, addressed: bool
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """One page of the orders with a SKU, and how many orders and pieces there are.

        :raises RightMissing: the warehouse's user may not see what is asked.
        """
        query = from_orders.orders_with_sku_addressed if addressed else from_orders.orders_with_sku

        def read(asked: Asked) -> tuple[list[dict[str, Any]], dict[str, Any]]:
            offset = (question.page - 1) * ROWS_SHOWN
            rows = query(asked.chosen, question.sku, ROWS_SHOWN, offset)
            count = asked.reader.rows(
                asked.about(asked.chosen).sku_counted(asked.chosen, question.sku)
            )
            return asked.reader.rows(rows), count[0]

        return self.desk.ask("orders, addressed" if addressed else "orders", question, read)

    def runs(self, request: Request) -> Response:
        """The last runs, and the open rejects by reason."""
        question = _question(request)

        def read(asked: Asked) -> list[dict[str, Any]]:
            return asked.reader.rows(from_orders.runs(RUNS_SHOWN))

        runs = self.desk.ask("runs", question, read)
        shown = {"runs": runs, "to_do": freshness.TO_DO, "look": freshness.LOOK}
        return self._page(request, question, "runs.html", **shown)

    def csv(self, request: Request) -> Response:
        """A table as a CSV file."""
        name = request.path_params["name"]
        if name not in TABLES:
            raise HTTPException(404)
        question = _question(request)
        today = self.desk.today()
        # Written whole before the first byte is sent, so that a fault is never half a file.
        file = tempfile.SpooledTemporaryFile(CSV_IN_MEMORY)  # noqa: SIM115 - closed when sent

        def read(reader: Reader) -> None:
            write_table(name, Asked(reader, question, today, self.desk.zone), file)

        try:
            self.desk.warehouse.read(read)
        except BaseException:
            file.close()
            raise
        headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
        return StreamingResponse(_sent(file), media_type="text/csv", headers=headers)

    def alive(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """That this process answers; nothing of the data."""
        return PlainTextResponse("ok\n")

    def ready(self, request: Request) -> Response:
        """Whether the warehouse can be read; why not is told to who may see it."""
        try:
            self.desk.ask("ready", Question(), lambda _: True)
        except DestinationError as error:
            if request.scope["visitor"]:
                raise
            raise DestinationError(
                "The warehouse cannot be read.", "Who signs in is told why."
            ) from error
        return PlainTextResponse("ready\n")

    def problem(self, request: Request, error: Exception) -> Response:
        """What is wrong: as a page, or as JSON for programs."""
        if isinstance(error, HTTPException):
            status, message, hint = error.status_code, "There is no such page.", ""
        elif isinstance(error, UsageError):
            status, message, hint = 400, error.message, error.hint
        elif isinstance(error, OrderpullError):
            status, message, hint = 503, error.message, error.hint
        else:
            status, message, hint = 500, "The page failed.", "The log tells where."
        headers = {"retry-after": "5"} if status == 503 else None  # noqa: PLR2004
        if request.url.path.startswith(FOR_PROGRAMS):
            return JSONResponse({"error": message, "hint": hint}, status, headers)
        words = {"message": message, "hint": hint, "question": Question()}
        return self.renderer.page(request, "problem.html", status, headers, **words)

    def _page(self, request: Request, question: Question, template: str, **words: Any) -> Response:  # noqa: ANN401 - what templates name
        return self.renderer.page(
            request,
            template,
            headers={"vary": "Accept-Language, HX-Request"},
            question=question,
            standing=self.desk.standing(question),
            formats=Formats(locale_of(request.headers.get("accept-language", "")), self.desk.zone),
            days=question.days(self.desk.today()),
            now=clock.now(),
            next_pull=self.desk.next_pull(),
            ago=ago,
            until=until,
            **words,
        )


def _question(request: Request) -> Question:
    return read_question(request.query_params.multi_items())


def _by_htmx(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while some := file.read(1 << 16):
            yield some


def application(
    settings: Settings, hosts: Collection[str] = (), next_pull: NextPull = lambda: None
) -> ASGIApp:
    """The pages as an ASGI application.

    :param hosts: names by which they may be asked for, besides this machine's and the settings'.
    :param next_pull: when the next pull begins, if this process pulls.
    """
    metrics, renderer = Metrics(), Renderer()
    desk = Desk(settings, metrics.answered, next_pull)
    metrics.watch(desk)
    door = Door(settings.web, Sessions())
    pages = Pages(desk, renderer, addresses=settings.web.show_addresses)
    signing = SignIn(door, renderer, lambda went: metrics.sign_ins.labels(went).inc())
    forms = ("GET", "POST")
    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/skus", pages.skus),
            Route("/orders", pages.orders),
            Route("/runs", pages.runs),
            Route("/csv/{name}", pages.csv),
            Route("/sign-in", signing.sign_in, methods=forms),
            Route("/sign-out", signing.sign_out, methods=forms),
            Route("/healthz", pages.alive),
            Route("/readyz", pages.ready),
            Route("/metrics", metrics.page),
            *api.routes(desk),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=500)],
        exception_handlers={
            HTTPException: pages.problem,
            UsageError: pages.problem,
            DestinationError: pages.problem,
            Exception: pages.problem,
        },
    )
    # Outside of the application, so that the page of an unforeseen fault is guarded, too.
    guard = Guard(app, door, [*hosts, *settings.web.hosts])
    return Measured(guard, metrics)

"""The pages: what each route answers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from babel import Locale
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)

from orderpull import clock
from orderpull.answers.movers import FLOOR
from orderpull.errors import (
    DestinationError,
    NothingToRead,
    OrderpullError,
    RightMissing,
    UsageError,
)
from orderpull.web import chart
from orderpull.web.cache import CachedQueries
from orderpull.web.context import QueryContext
from orderpull.web.movers import read_movers
from orderpull.web.order import Versions, read_order, seen_versions
from orderpull.web.overview import (
    page_count,
    read_customers,
    read_overview,
    read_rejected,
    read_runs,
)
from orderpull.web.question import FILE_PATHS, Question, parse_question
from orderpull.web.rendering import Formats, Renderer, locale_of
from orderpull.web.security import JSON_PATHS
from orderpull.web.sku import read_sku
from orderpull.web.skus import read_orders, read_skus
from orderpull.web.verified import Verifications, what_differs

Answer = TypeVar("Answer")
PAGE_ROWS = 50
MAX_DIGITS = 12


class Pages:
    """The pages over one warehouse. Starlette runs the methods in threads."""

    def __init__(
        self,
        queries: CachedQueries,
        renderer: Renderer,
        verifications: Verifications,
        versions: Versions,
        *,
        addresses: bool,
    ) -> None:
        self.queries = queries
        self.verifications = verifications
        self.versions = versions
        self.renderer = renderer
        self.addresses = addresses

    def overview(self, request: Request) -> Response:
        """Show the three answers, totals, trend and countries."""
        question = self._question(request)
        changed = request.query_params.get("was")
        if changed and not request.state.problems and request.headers.get("hx-request") != "true":
            return RedirectResponse(question.url(), 303)
        page = self.queries.get(question, read_overview)
        drawing = chart.draw(page.trend, page.measure)
        response = self._page(request, question, "overview.html", page=page, drawing=drawing)
        if changed:
            response.headers["hx-push-url"] = question.url()
        return response

    def movers(self, request: Request) -> Response:
        """Show the SKUs that rose and fell the most; the first page loads its card from here."""
        question = self._question(request)
        moved = self.queries.get(question, read_movers, question.top)
        return self._page(request, question, "movers.html", moved=moved, floor=FLOOR)

    def skus(self, request: Request) -> Response:
        """Show all SKUs of the selected orders, page by page."""
        question = self._question(request)
        page = self.queries.get(question, read_skus, PAGE_ROWS)
        last_page = page_count(page.count, PAGE_ROWS)
        return self._page(request, question, "skus.html", page=page, last_page=last_page)

    def customers(self, request: Request) -> Response:
        """Show new and returning customers; the first page loads its card from here."""
        question = self._question(request)
        try:
            counts = self.queries.get(question, read_customers)
        except RightMissing:
            counts = None
        return self._page(request, question, "customers.html", counts=counts)

    def sku(self, request: Request) -> Response:
        """Show one SKU: trend, countries, channels, and its newest orders."""
        question = self._question(request)
        if not question.sku:
            raise UsageError("The address names no SKU.", "Choose a SKU on the page of all SKUs.")
        page = self.queries.get(question, read_sku)
        drawing = chart.draw(page.trend, page.measure)
        return self._page(request, question, "sku.html", page=page, drawing=drawing)

    def orders(self, request: Request) -> Response:
        """Show the orders with one SKU, page by page; with addresses if the user may see them."""
        question = self._question(request)
        if not question.sku:
            raise UsageError("The address names no SKU.", "Choose a SKU on the page of all SKUs.")
        (rows, count), addressed, barred = self._addressed(
            request, question, read_orders, PAGE_ROWS
        )
        return self._page(
            request, question, "orders.html",
            rows=rows, count=count, last_page=page_count(count["orders"], PAGE_ROWS),
            addressed=addressed, barred=barred,
        )  # fmt: skip

    def order(self, request: Request) -> Response:
        """Show one order; its versions in the landing on demand, since that reads all pages."""
        question = self._question(request)
        sources = self.queries.sources
        order, addressed, barred = self._addressed(request, question, read_order, sources)
        versions, trouble = None, ""
        if order.header and request.query_params.get("versions"):
            try:
                versions = self.versions.of(order.header["source"], order.header["ordernumber"])
            except OrderpullError as error:
                trouble = f"{error.message} {error.hint}".strip()
        return self._page(
            request, question, "order.html",
            order=order, header=order.header, versions=versions, trouble=trouble,
            seen=seen_versions(versions, names=addressed) if versions else [],
            addressed=addressed, barred=barred,
        )  # fmt: skip

    def _addressed(
        self,
        request: Request,
        question: Question,
        read: Callable[..., Answer],
        *args: object,
    ) -> tuple[Answer, bool, bool]:
        """The answer of *read*, with addresses if the user may see them; if so, and if barred.

        Barred is a user who may see them, over a warehouse that does not show them.
        """
        if not self.addresses or not request.scope["user"].may_see_addresses:
            return self.queries.get(question, read, *args), False, False
        try:
            return self.queries.get(question, read, *args, addresses=True), True, False
        except RightMissing:
            return self.queries.get(question, read, *args), False, True

    def runs(self, request: Request) -> Response:
        """Show the last runs, the open rejects by reason, and the last verifications."""
        question = self._question(request)
        return self._page(
            request, question, "runs.html",
            runs=self.queries.get(question, read_runs),
            rejected=self.queries.get(question, read_rejected, PAGE_ROWS),
            last_page=page_count(self.queries.freshness(question).rejected, PAGE_ROWS),
        )  # fmt: skip

    def alive(self, request: Request) -> Response:  # noqa: ARG002 - a route's signature
        """Answer that this process runs, without reading data."""
        return PlainTextResponse("ok\n")

    def ready(self, request: Request) -> Response:
        """Answer if the warehouse can be read; only a signed-in user gets the reason if not."""
        try:
            self.queries.freshness(Question())
        except DestinationError as error:
            if request.scope["user"]:
                raise
            raise DestinationError(
                "The warehouse cannot be read.", "Sign in to see the reason."
            ) from error
        return PlainTextResponse("ready\n")

    def problem(self, request: Request, error: Exception) -> Response:
        """Show an error: as a page, or as JSON for programs."""
        if isinstance(error, HTTPException):
            status, message, hint = error.status_code, "There is no such page.", ""
        elif isinstance(error, UsageError):
            status, message, hint = 400, error.message, error.hint
        elif isinstance(error, OrderpullError):
            status, message, hint = 503, error.message, error.hint
        else:
            status, message, hint = 500, "The page failed.", "The log has the cause."
        headers = {"retry-after": "5"} if status == 503 else None  # noqa: PLR2004
        if request.url.path.startswith(JSON_PATHS):
            return JSONResponse({"error": message, "hint": hint}, status, headers)
        if isinstance(error, NothingToRead) and not request.url.path.startswith(FILE_PATHS):
            return self.renderer.page(request, "empty.html", message=message, question=Question())
        return self.renderer.page(
            request, "problem.html", status, headers,
            message=message, hint=hint, question=Question(),
        )  # fmt: skip

    def _question(self, request: Request) -> Question:
        """Parse the question, and keep its problems in the state of *request*.

        Without a period in the address, orders of which none has a date are shown for all time.
        """
        question, request.state.problems = parse_question(request.query_params.multi_items())
        named = any(request.query_params.get(key) for key in ("period", "since", "until"))
        of_sources = Question(sources=question.sources)
        if not named and self.queries.get(of_sources, QueryContext.first_day) is None:
            question = replace(question, period="all")
        return self.queries.with_countries_meant(question, _locale(request).language)

    def _page(
        self,
        request: Request,
        question: Question,
        template: str,
        **values: Any,  # noqa: ANN401 - any value of a template
    ) -> Response:
        verified = self.verifications.of(question.sources)
        today = self.queries.today()
        return self.renderer.page(
            request,
            template,
            status=400 if request.state.problems else 200,
            headers={"vary": "Accept-Language, Cookie, HX-Request"},
            question=question,
            problems=request.state.problems,
            typed={key: request.query_params.get(key, "") for key in ("since", "until")},
            dismissed=_dismissed(request),
            freshness=self.queries.freshness(question),
            verified=verified,
            differs=what_differs(verified),
            absent=self.queries.absent_countries(question),
            formats=Formats(_locale(request), self.queries.zone),
            today=today,
            days=question.days(today),
            now=clock.now(),
            next_pull=self.queries.next_pull(),
            ago=clock.ago,
            until=clock.until,
            **values,
        )


def _locale(request: Request) -> Locale:
    return locale_of(request.headers.get("accept-language", ""))


def _dismissed(request: Request) -> int:
    """The number of rejects whose banner the user has dismissed."""
    text = request.cookies.get("orderpull-rejects", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else 0

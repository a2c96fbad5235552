"""The ASGI application: its routes, and what stands around them."""

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from orderpull.errors import DestinationError, UsageError
from orderpull.settings import Settings
from orderpull.web import api
from orderpull.web.auth import Authenticator, Sessions
from orderpull.web.cache import CachedQueries, NextPull
from orderpull.web.downloads import Downloads
from orderpull.web.login import LoginRoutes
from orderpull.web.metrics import LedgerCollector, Metrics, MetricsMiddleware
from orderpull.web.order import Versions
from orderpull.web.pages import Pages
from orderpull.web.rendering import STATIC_FOLDER, Renderer, static_version
from orderpull.web.security import SecurityMiddleware
from orderpull.web.verified import Verifications


class StaticFilesForAYear(StaticFiles):
    """Static files; an address that ends with their version may be kept for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with the file, and with the time for which it may be kept."""
        response = await super().get_response(path, scope)
        if scope["query_string"] == static_version().encode():
            response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def application(
    settings: Settings, hosts: Collection[str] = (), next_pull: NextPull = lambda: None
) -> ASGIApp:
    """Build the ASGI application.

    :param hosts: names of this server, besides localhost and the settings' hosts.
    :param next_pull: start of the next pull, if this process pulls.
    """
    metrics, renderer = Metrics(), Renderer()
    queries = CachedQueries(settings, metrics.count_answer, next_pull)
    metrics.registry.register(LedgerCollector(queries))
    auth = Authenticator(settings.web, Sessions())
    verifications = Verifications(settings)
    versions = Versions(settings, queries)
    pages = Pages(queries, renderer, verifications, versions, addresses=settings.web.show_addresses)
    login = LoginRoutes(auth, renderer, lambda result: metrics.sign_ins.labels(result).inc())
    forms = ("GET", "POST")
    app = Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/customers", pages.customers),
            Route("/movers", pages.movers),
            Route("/sku", pages.sku),
            Route("/skus", pages.skus),
            Route("/orders", pages.orders),
            Route("/order", pages.order),
            Route("/runs", pages.runs),
            *Downloads(queries).routes(),
            Route("/sign-in", login.sign_in, methods=forms),
            Route("/sign-out", login.sign_out, methods=forms),
            Route("/healthz", pages.alive),
            Route("/readyz", pages.ready),
            Route("/metrics", metrics.page),
            *api.routes(queries),
            Mount("/static", StaticFilesForAYear(directory=STATIC_FOLDER)),
        ],
        middleware=[Middleware(GZipMiddleware, minimum_size=500)],
        exception_handlers={
            HTTPException: pages.problem,
            UsageError: pages.problem,
            DestinationError: pages.problem,
            Exception: pages.problem,
        },
    )
    # Outermost, so that the page of an unexpected error gets the security headers, too.
    secured = SecurityMiddleware(app, auth, [*hosts, *settings.web.hosts])
    return MetricsMiddleware(secured, metrics)

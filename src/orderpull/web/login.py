"""Signing in with the password, and out again."""

import logging
import math
from collections.abc import Callable
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderpull.web.auth import Door, session_of
from orderpull.web.login_throttle import Patience
from orderpull.web.passwords import AT_MOST, matches
from orderpull.web.question import Question
from orderpull.web.rendering import Renderer
from orderpull.web.sessions import LAST_SECONDS

log = logging.getLogger("orderpull.web")

FORM_AT_MOST = 32_768
"""Bytes: a long address to go back to, and a long password, each byte as three."""

FIELDS_AT_MOST = 10


class SignIn:
    """The pages ``/sign-in`` and ``/sign-out``.

    :param told: is told how each try went: right, wrong, or refused since there were too many.
    """

    def __init__(self, door: Door, renderer: Renderer, told: Callable[[str], None]) -> None:
        self.door = door
        self.renderer = renderer
        self.told = told
        self.patience = Patience()

    async def sign_in(self, request: Request) -> Response:
        """The form; or what becomes of a password that was sent."""
        if request.method != "POST":
            way_back = local(request.query_params.get("next", ""))
            if request.scope.get("visitor"):
                return RedirectResponse(way_back, 303)
            return self._form(request, way_back)
        form = await read_form(request)
        if form is None:
            return self._form(request, "/", 413, "What was sent is no form of this page.")
        password, way_back = form.get("password", ""), local(form.get("next", ""))
        return await run_in_threadpool(self._try, request, password, way_back)

    async def sign_out(self, request: Request) -> Response:
        """End the session, wherever a copy of it is."""
        if request.method == "POST":
            caller = self.door.caller(request.scope)
            self.door.sessions.end(session_of(request.headers, caller))
            response = RedirectResponse("/sign-in", 303)
            response.delete_cookie(
                caller.cookie, secure=caller.secure, httponly=True, samesite="lax"
            )
            return response
        return RedirectResponse("/", 303)

    def _try(self, request: Request, password: str, way_back: str) -> Response:
        caller, kept = self.door.caller(request.scope), self.door.web.password_hash
        if not kept:
            return self._form(request, way_back, 401)
        seconds = self.patience.wait(caller.address)
        if seconds:
            self.told("refused")
            told = "1 second" if seconds <= 1 else f"{math.ceil(seconds)} seconds"
            wait = f"That was wrong too often. Wait {told}, then try again."
            return self._form(request, way_back, 429, wait, seconds)
        if not matches(password, kept):
            self.told("wrong")
            log.warning("A sign-in from %s failed.", caller.address or "an unknown address")
            return self._form(request, way_back, 401, "That is not the password.")
        self.patience.right(caller.address)
        self.told("right")
        response = RedirectResponse(way_back, 303)
        response.set_cookie(
            caller.cookie,
            self.door.sessions.begin(),
            max_age=LAST_SECONDS,
            secure=caller.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _form(
        self,
        request: Request,
        way_back: str,
        status: int = 200,
        message: str = "",
        seconds: float = 0,
    ) -> Response:
        web = self.door.web
        headers = {"retry-after": str(math.ceil(seconds))} if seconds else None
        words = {"question": Question(), "message": message, "way_back": way_back}
        return self.renderer.page(
            request, "sign-in.html", status, headers, **words,
            by_password=bool(web.password_hash), by_proxy=bool(web.proxy_header),
        )  # fmt: skip


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None if it is none, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_AT_MOST:
            return None
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=FIELDS_AT_MOST)
    except ValueError:
        return None
    form = dict(pairs)
    return form if len(form.get("password", "")) <= AT_MOST else None


def local(address: str) -> str:
    """*address* if it is one of ours, as a browser reads it; else the first page.

    A browser takes two slashes, of either kind, for another host, and leaves out tabs and line
    ends.
    """
    path = address.partition("?")[0]
    ours = path.startswith("/") and not path.startswith(("//", "/sign-in", "/sign-out"))
    if not ours or "\\" in address or not address.isprintable():
        return "/"
    return quote(address, safe="/?&=%+,:;@!$'()*~#")

"""Login routes: sign in with the password, and sign out."""

import logging
import math
from collections.abc import Callable
from urllib.parse import parse_qsl, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orderpull.web.auth import SESSION_SECONDS, Authenticator, session_of
from orderpull.web.login_throttle import LoginThrottle
from orderpull.web.passwords import MAX_LENGTH, verify_password
from orderpull.web.question import Question
from orderpull.web.rendering import Renderer

log = logging.getLogger("orderpull.web")

MAX_FORM_BYTES = 32_768
"""Room for a long return address and a long password, each byte percent-encoded as three."""

MAX_FIELDS = 10


class LoginRoutes:
    """The routes ``/sign-in`` and ``/sign-out``.

    :param on_attempt: called for each password with ``right``, ``wrong`` or ``refused``; the login
        throttle refuses.
    """

    def __init__(
        self, auth: Authenticator, renderer: Renderer, on_attempt: Callable[[str], None]
    ) -> None:
        self.auth = auth
        self.renderer = renderer
        self.on_attempt = on_attempt
        self.throttle = LoginThrottle()

    async def sign_in(self, request: Request) -> Response:
        """Show the form, or check a password that was sent."""
        if request.method != "POST":
            target = safe_redirect(request.query_params.get("next", ""))
            if request.scope.get("user"):
                return RedirectResponse(target, 303)
            return self._form(request, target)
        form = await read_form(request)
        if form is None:
            return self._form(request, "/", 413, "The request is not a form of this page.")
        password, target = form.get("password", ""), safe_redirect(form.get("next", ""))
        return await run_in_threadpool(self._check, request, password, target)

    async def sign_out(self, request: Request) -> Response:
        """Revoke the session; copies of its cookie are void, too."""
        if request.method == "POST":
            client = self.auth.client(request.scope)
            self.auth.sessions.revoke(session_of(request.headers, client))
            response = RedirectResponse("/sign-in", 303)
            response.delete_cookie(
                client.cookie, secure=client.secure, httponly=True, samesite="lax"
            )
            return response
        return RedirectResponse("/", 303)

    def _check(self, request: Request, password: str, target: str) -> Response:
        client, password_hash = self.auth.client(request.scope), self.auth.web.password_hash
        if not password_hash:
            return self._form(request, target, 401)
        lockout = self.throttle.attempt(client.address)
        if lockout:
            self.on_attempt("refused")
            seconds = "1 second" if lockout <= 1 else f"{math.ceil(lockout)} seconds"
            message = f"Too many wrong passwords. Wait {seconds}, then try again."
            return self._form(request, target, 429, message, lockout)
        if not verify_password(password, password_hash):
            self.on_attempt("wrong")
            log.warning("A sign-in from %s failed.", client.address or "an unknown address")
            return self._form(request, target, 401, "That is not the password.")
        self.throttle.succeed(client.address)
        self.on_attempt("right")
        response = RedirectResponse(target, 303)
        response.set_cookie(
            client.cookie,
            self.auth.sessions.create(),
            max_age=SESSION_SECONDS,
            secure=client.secure,
            httponly=True,
            samesite="lax",
        )
        return response

    def _form(
        self,
        request: Request,
        target: str,
        status: int = 200,
        message: str = "",
        lockout: float = 0,
    ) -> Response:
        web = self.auth.web
        headers = {"retry-after": str(math.ceil(lockout))} if lockout else None
        return self.renderer.page(
            request, "sign-in.html", status, headers,
            question=Question(), message=message, target=target,
            by_password=bool(web.password_hash), by_proxy=bool(web.proxy_header),
        )  # fmt: skip


async def read_form(request: Request) -> dict[str, str] | None:
    """Read the fields of a form; None if the request is not a form, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return None
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            return None
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    form = dict(pairs)
    return form if len(form.get("password", "")) <= MAX_LENGTH else None


def safe_redirect(address: str) -> str:
    """*address* if it leads to one of our pages, else ``/`` (no open redirect).

    Browsers take two slashes of either kind for another host, and drop tabs and line ends.
    """
    path = address.partition("?")[0]
    is_ours = path.startswith("/") and not path.startswith(("//", "/sign-in", "/sign-out"))
    if not is_ours or "\\" in address or not address.isprintable():
        return "/"
    return quote(address, safe="/?&=%+,:;@!$'()*~#")

"""What can be wrong with an API's ``.toml`` beyond the types of its values: key and reason."""

import re
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import (
    BODY,
    HEADER,
    ChildrenSpec,
    CursorSpec,
    ExportSpec,
    PagingSpec,
    ReconcileSpec,
    RequestSpec,
    TokenSpec,
)
from orderpull.sources.spec.expression import parse_path
from orderpull.sources.spec.order import ListPath, keys

KNOWN_SECRETS = frozenset(
    {"token", "user", "password", "client_id", "client_secret", "refresh_token", "code",
     "redirect_uri", "scope"}
)  # fmt: skip
"""What ``{…}`` may stand for in headers and in the call that brings a token."""

_NAME = re.compile(r"\{([^{}]*)\}")
Problem = tuple[str, str]


def validate(api: Api) -> Iterator[Problem]:
    """What is wrong with *api*, whose ``[order]`` is read elsewhere: key and reason."""
    yield from _request("request", api.request)
    yield from _paging("paging", api.paging, api.request)
    yield from _auth(api)
    if api.cursor:
        yield from _cursor(api, api.cursor)
    for number, error in enumerate(api.errors):
        yield from _paths(f"errors[{number}]", parse_path, path=error.path, message=error.message)
    if cost := api.limits.cost:
        yield from _paths("limits.cost", keys, requested=cost.requested,
                          available=cost.available, restore=cost.restore)  # fmt: skip
    for number, children in enumerate(api.children):
        yield from _children(f"children[{number}]", children)
    if api.consume_once:
        yield from _consume_once(api)
    if api.export:
        yield from _export(api, api.export)
    if api.reconcile:
        yield from _reconcile(api, api.reconcile)


def _request(key: str, request: RequestSpec) -> Iterator[Problem]:
    if not request.path.startswith("/"):
        yield f"{key}.path", f"{request.path!r} does not begin with /"
    if request.body and request.method != "POST":
        yield f"{key}.body", 'a GET has none: say method = "POST"'


def _place(key: str, place: str | None, request: RequestSpec) -> Iterator[Problem]:
    """Whether *place* can take a value."""
    if place is None or not place.startswith("$"):
        return
    if request.method != "POST":
        yield key, f"{place!r} is in the body, and a GET has none"
    elif not place.startswith(BODY) or not all(place.removeprefix(BODY).split(".")):
        yield key, f"{place!r} is no place in the body, such as $.variables.after"


def _paging(key: str, paging: PagingSpec, request: RequestSpec) -> Iterator[Problem]:
    needed = {
        "page": ("param", "size"),
        "offset": ("param", "size"),
        "cursor": ("param", "next"),
        "next": ("next",),
    }
    for name in needed.get(paging.kind, ()):
        if getattr(paging, name) is None:
            yield f"{key}.{name}", f"paging by {paging.kind} needs it"
    yield from _place(f"{key}.param", paging.param, request)
    yield from _place(f"{key}.size_param", paging.size_param, request)
    if not (paging.total or "").startswith(HEADER):
        yield from _paths(key, keys, total=paging.total)
    yield from _paths(key, keys, next=paging.next, more=paging.more)
    if paging.kind in {"next", "link"} and request.method != "GET":
        yield f"{key}.kind", "a URL is followed by GET"


def _cursor(api: Api, cursor: CursorSpec) -> Iterator[Problem]:
    yield from _paths("cursor", keys, path=cursor.path, server_upper=cursor.server_upper)
    for name in ("lower", "upper", "filter"):
        yield from _place(f"cursor.{name}", getattr(cursor, name), api.request)
    if cursor.lower is None and cursor.filter is None:
        yield "cursor.lower", "there is neither it nor a filter"
    if (cursor.filter is None) != (cursor.filter_text is None):
        yield "cursor.filter", "filter and filter_text go together"
    if cursor.filter_text is not None:
        names = set(_NAME.findall(cursor.filter_text))
        if "lower" not in names or names - {"lower", "upper"}:
            yield "cursor.filter_text", "it holds {lower}, and may hold {upper}"
    yield from _zone(cursor)
    if cursor.window and not cursor.bounded:
        yield "cursor.window", "it needs an upper bound"
    if api.paging.kind == "drain":
        yield "paging.kind", "drain has no cursor"
    if api.order.modified_at is None:
        yield "order.modified_at", "an API with a cursor says when an order was changed"


def _zone(cursor: CursorSpec) -> Iterator[Problem]:
    try:
        ZoneInfo(cursor.timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield "cursor.timezone", f"{cursor.timezone!r} is not an IANA time zone"
        return
    if cursor.strategy == "reseek" and cursor.timezone != "UTC":
        yield "cursor.strategy", "local times come twice in autumn: say window_verify"


def _auth(api: Api) -> Iterator[Problem]:
    auth = api.auth
    if auth.kind == "query" and not auth.param:
        yield "auth.param", "auth by query needs it"
    if auth.kind == "none" and auth.token:
        yield "auth.kind", "a token that is got is also sent: bearer, header, basic or query"
    for name, text in auth.headers.items():
        yield from _names(f"auth.headers.{name}", text)
    if auth.token:
        yield from _token(auth.token)


def _token(token: TokenSpec) -> Iterator[Problem]:
    if token.grant == "authorization_code" and not token.authorize:
        yield "auth.token.authorize", "authorization_code needs it"
    if token.form and token.body:
        yield "auth.token.body", "the call has a form already"
    for name, text in token.form.items():
        yield from _names(f"auth.token.form.{name}", text)
    if not token.token.startswith(HEADER):
        yield from _paths("auth.token", keys, token=token.token)
    yield from _paths(
        "auth.token", keys, expires_in=token.expires_in, refresh_token=token.refresh_token
    )


def _names(key: str, text: str) -> Iterator[Problem]:
    for name in _NAME.findall(text):
        if name not in KNOWN_SECRETS:
            known = ", ".join(sorted(KNOWN_SECRETS))
            yield key, f"{{{name}}} stands for nothing; known: {known}"


def _children(key: str, children: ChildrenSpec) -> Iterator[Problem]:
    yield from _request(f"{key}.request", children.request)
    yield from _paging(f"{key}.paging", children.paging, children.request)
    yield from _paths(key, keys, key=children.key, into=children.into,
                      more=children.more, next=children.next)  # fmt: skip
    yield from _place(f"{key}.key_param", children.key_param, children.request)
    if children.key_param is None and "{key}" not in children.request.path:
        yield f"{key}.key_param", "nothing tells the API which order is meant"
    if children.next and children.paging.kind != "cursor":
        yield f"{key}.next", 'a list goes on by a cursor: say kind = "cursor"'
    try:
        ListPath.parse(children.records.path)
    except ValueError as error:
        yield f"{key}.records.path", str(error)


def _reconcile(api: Api, reconcile: ReconcileSpec) -> Iterator[Problem]:
    for place in reconcile.body:
        if not place.startswith(BODY):
            yield f"reconcile.body.{place}", "it is no place in the body, such as $.variables.o"
        yield from _place(f"reconcile.body.{place}", place, api.request)
    try:
        keys(api.order.id or api.order.number)
    except ValueError:
        yield "order.id", "listed orders are told by their id, which has to be a plain path"


def _consume_once(api: Api) -> Iterator[Problem]:
    if api.paging.kind not in {"drain", "single"}:
        yield "paging.kind", "a consume-once API is read by drain or single"
    for name in ("cursor", "children", "reconcile", "export"):
        if getattr(api, name):
            yield name, "a consume-once API has none"


def _export(api: Api, export: ExportSpec) -> Iterator[Problem]:
    if api.request.method != "POST":
        yield "export", "the calls are sent like [request], which is no POST"
    if api.cursor is None:
        yield "export", "it is for APIs with a cursor"
    yield from _paths(
        "export", parse_path, id=export.id, state=export.state, url=export.url,
        count=export.count, refused=export.refused,
    )  # fmt: skip
    for name in ("filter", "id_param"):
        yield from _place(f"export.{name}", getattr(export, name), api.request)
    try:
        ListPath.parse(export.into)
    except ValueError as error:
        yield "export.into", str(error)


def _paths(block: str, read: Callable[[str], object], **texts: str | None) -> Iterator[Problem]:
    """What is no path among *texts*."""
    for key, text in texts.items():
        try:
            if text is not None:
                read(text)
        except ValueError as error:
            yield f"{block}.{key}", str(error)

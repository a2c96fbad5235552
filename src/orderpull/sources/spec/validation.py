"""Validation of an API's ``.toml`` beyond the types of its values."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from orderpull.sources.spec import blocks
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.blocks import BODY, HEADER, LINK
from orderpull.sources.spec.expression import parse_path
from orderpull.sources.spec.order import (
    ElementPath,
    ListPath,
    is_plain,
    keys,
    parse_values_path,
)
from orderpull.sources.spec.times import zone_of

KNOWN_SECRETS = frozenset(
    {"token", "user", "password", "client_id", "client_secret", "refresh_token", "code",
     "redirect_uri", "scope"}
)  # fmt: skip
"""Names allowed in braces in headers and in token requests."""

_NAME = re.compile(r"\{([^{}]*)\}")

SpecError = tuple[str, str]
"""Key and reason of an error in an API file."""


def validate(api: Api) -> Iterator[SpecError]:
    """Errors of all blocks of *api* except ``[order]``, which :mod:`.order` validates."""
    yield from _request("request", api.request)
    yield from _paging("paging", api.paging, api.request)
    yield from _auth(api)
    if api.cursor:
        yield from _cursor(api, api.cursor)
    for number, error in enumerate(api.errors):
        yield from _error(f"errors[{number}]", error)
    if cost := api.limits.cost:
        yield from _paths("limits.cost", keys, requested=cost.requested,
                          available=cost.available, restore=cost.restore)  # fmt: skip
    for number, children in enumerate(api.children):
        yield from _children(f"children[{number}]", children)
    if api.consume_once:
        yield from _consume_once(api)
    if api.export:
        yield from _export(api, api.export)
    if api.ids:
        yield from _ids(api, api.ids)
    if api.reconcile:
        yield from _reconcile(api, api.reconcile)
    if api.count:
        yield from _count(api, api.count)


def _error(key: str, error: blocks.ErrorSpec) -> Iterator[SpecError]:
    texts = {"path": error.path, "message": error.message, "place": error.place}
    yield from _paths(key, parse_values_path, **texts)
    if error.means == "partial" and not (error.place and error.fields):
        yield f"{key}.place", "partial needs place and fields"


def _ids(api: Api, ids: blocks.IdsSpec) -> Iterator[SpecError]:
    yield from _body_fields("ids.body", ids.body, api.request)
    if api.paging.size_param is None:
        yield "paging.size_param", "[ids] needs it, to request one order alone"


def _request(key: str, request: blocks.RequestSpec) -> Iterator[SpecError]:
    if not request.path.startswith("/"):
        yield f"{key}.path", f"{request.path!r} does not begin with /"
    if request.body and request.method != "POST":
        yield f"{key}.body", 'a GET has no body: set method = "POST"'


def _request_field(key: str, field: str | None, request: blocks.RequestSpec) -> Iterator[SpecError]:
    """Check that *request* can carry a value in *field*."""
    if field is None or not field.startswith("$"):
        return
    if request.method != "POST":
        yield key, f"{field!r} is a field of the body, and a GET has no body"
    elif not field.startswith(BODY) or not all(field.removeprefix(BODY).split(".")):
        yield key, f"{field!r} is not a field of the body, such as $.variables.after"


def _paging(
    key: str, paging: blocks.PagingSpec, request: blocks.RequestSpec
) -> Iterator[SpecError]:
    needed = {
        "page": ("param", "size"),
        "offset": ("param", "size"),
        "cursor": ("param", "next"),
        "next": ("next",),
    }
    for name in needed.get(paging.kind, ()):
        if getattr(paging, name) is None:
            yield f"{key}.{name}", f"paging by {paging.kind} needs it"
    yield from _request_field(f"{key}.param", paging.param, request)
    yield from _request_field(f"{key}.size_param", paging.size_param, request)
    if not (paging.total or "").startswith(HEADER):
        yield from _paths(key, keys, total=paging.total)
    yield from _paths(key, keys, next=paging.next, more=paging.more)
    if paging.kind in {"next", "link"} and request.method != "GET":
        yield f"{key}.kind", "the URL of a next page needs method GET"


def _cursor(api: Api, cursor: blocks.CursorSpec) -> Iterator[SpecError]:
    yield from _paths("cursor", keys, path=cursor.path, server_upper=cursor.server_upper)
    for name in ("lower", "upper", "filter"):
        yield from _request_field(f"cursor.{name}", getattr(cursor, name), api.request)
    yield from _bounds("cursor", cursor, {"lower", "upper"})
    for number, also in enumerate(cursor.also):
        key = f"cursor.also[{number}]"
        yield from _paths(key, keys, path=also.path)
        for name in ("lower", "filter", "below"):
            yield from _request_field(f"{key}.{name}", getattr(also, name), api.request)
        yield from _body_fields(f"{key}.body", also.body, api.request)
        yield from _bounds(key, also, {"lower"})
    yield from _paths("cursor", zone_of, timezone=cursor.timezone)
    if cursor.strategy == "reseek" and cursor.timezone != "UTC":
        yield "cursor.strategy", "local times are ambiguous in autumn: set window_verify"
    if cursor.window and not cursor.bounded:
        yield "cursor.window", "it needs an upper bound"
    if api.paging.kind == "drain":
        yield "paging.kind", "drain cannot be combined with [cursor]"
    if api.order.modified_at is None:
        yield "order.modified_at", "an API with a [cursor] needs it"


def _bounds(
    key: str, cursor: blocks.CursorSpec | blocks.AlsoSpec, known: set[str]
) -> Iterator[SpecError]:
    """Check that a request carries the lower bound. :param known: names in the filter text."""
    if cursor.lower is None and cursor.filter is None:
        yield f"{key}.lower", "a cursor needs lower or filter"
    if (cursor.filter is None) != (cursor.filter_text is None):
        yield f"{key}.filter", "filter and filter_text go together"
    if cursor.filter_text is not None:
        names = set(_NAME.findall(cursor.filter_text))
        if "lower" not in names or names - known:
            others = "".join(f", and may contain {{{name}}}" for name in known - {"lower"})
            yield f"{key}.filter_text", f"it must contain {{lower}}{others}"


def _body_fields(
    key: str, body: dict[str, Any], request: blocks.RequestSpec
) -> Iterator[SpecError]:
    for field in body:
        if not field.startswith(BODY):
            yield f"{key}.{field}", "not a field of the body, such as $.variables.o"
        yield from _request_field(f"{key}.{field}", field, request)


def _auth(api: Api) -> Iterator[SpecError]:
    auth = api.auth
    if auth.kind == "query" and not auth.param:
        yield "auth.param", "auth by query needs it"
    if auth.kind == "none" and auth.token:
        yield (
            "auth.kind",
            "[auth.token] needs a kind that sends the token: bearer, header, basic or query",
        )
    for name, text in auth.headers.items():
        yield from _names(f"auth.headers.{name}", text)
    if auth.token:
        yield from _token(auth.token)


def _token(token: blocks.TokenSpec) -> Iterator[SpecError]:
    if token.grant == "authorization_code" and not token.authorize:
        yield "auth.token.authorize", "authorization_code needs it"
    if token.form and token.body:
        yield "auth.token.body", "a token request has either form or body"
    for name, text in token.form.items():
        yield from _names(f"auth.token.form.{name}", text)
    if not token.token.startswith(HEADER):
        yield from _paths("auth.token", keys, token=token.token)
    yield from _paths(
        "auth.token", keys, expires_in=token.expires_in, refresh_token=token.refresh_token
    )


def _names(key: str, text: str) -> Iterator[SpecError]:
    for name in _NAME.findall(text):
        if name not in KNOWN_SECRETS:
            known = ", ".join(sorted(KNOWN_SECRETS))
            yield key, f"there is no setting {{{name}}}; known: {known}"


def _children(key: str, children: blocks.ChildrenSpec) -> Iterator[SpecError]:
    path = children.request.path
    if path != LINK:
        yield from _request(f"{key}.request", children.request)
    yield from _paging(f"{key}.paging", children.paging, children.request)
    yield from _places(key, children)
    yield from _request_field(f"{key}.key_param", children.key_param, children.request)
    if children.key_param is None and "{key}" not in path:
        yield f"{key}.key_param", "no request field carries the key of the order"
    if children.next and children.paging.kind != "cursor":
        yield f"{key}.next", 'next needs [children.paging] kind = "cursor"'
    if children.one and (children.paging.kind != "single" or children.records.path != "$"):
        yield f"{key}.one", "a single record has neither paging nor records"
    if children.missing == "empty" and not children.one:
        yield f"{key}.missing", "a wrong path would leave out all lines: only a single record may"
    yield from _paths(f"{key}.records", ListPath.parse, path=children.records.path)


def _places(key: str, children: blocks.ChildrenSpec) -> Iterator[SpecError]:
    """Errors of the paths in the order: all begin at the same order or element of a list."""
    paths = {name: text for name in ("key", "into", "more", "next")
             if (text := getattr(children, name))}  # fmt: skip
    errors = list(_paths(key, ElementPath.parse, **paths))
    yield from errors
    if errors:
        return
    parsed = {name: ElementPath.parse(text) for name, text in paths.items()}
    for name, path in parsed.items():
        if path.lists != parsed["key"].lists:
            yield f"{key}.{name}", f"it must be in the same list as key, {children.key}"
    if parsed["into"] == parsed["key"]:
        yield f"{key}.into", "the key stands there: name a place that is free"


def _reconcile(api: Api, reconcile: blocks.ReconcileSpec) -> Iterator[SpecError]:
    yield from _body_fields("reconcile.body", reconcile.body, api.request)
    yield from _request_field("reconcile.ids", reconcile.ids, api.request)
    if "{id}" not in reconcile.ids_text:
        yield "reconcile.ids_text", "it must contain {id}"
    if not is_plain(api.order.id or api.order.number):
        yield (
            "order.id",
            "reconciling compares ids, so the id must be a plain path without functions",
        )


def _count(api: Api, count: blocks.CountSpec) -> Iterator[SpecError]:
    yield from _request("count.request", count.request)
    if not count.total.startswith(HEADER):
        yield from _paths("count", keys, total=count.total)
    yield from _paths("count", keys, exact=count.exact)
    cursor = api.cursor
    if cursor is None:
        yield "count", "counting needs the bounds of a [cursor]"
        return
    for field in (cursor.lower, cursor.filter, count.upper or cursor.upper):
        yield from _request_field("count.request", field, count.request)
    if count.upper is None and not cursor.bounded:
        yield "count.upper", "counting needs an upper bound"


def _consume_once(api: Api) -> Iterator[SpecError]:
    if api.paging.kind not in {"drain", "single"}:
        yield "paging.kind", "a consume-once API is read by drain or single"
    for name in ("cursor", "children", "ids", "reconcile", "count", "export"):
        if getattr(api, name):
            yield name, f"a consume-once API cannot have {name}"


def _export(api: Api, export: blocks.ExportSpec) -> Iterator[SpecError]:
    if api.request.method != "POST":
        yield "export", "an export is sent like [request], which must be a POST"
    if api.cursor is None:
        yield "export", "an export needs a [cursor]"
    if export.incomplete and not (api.reconcile and api.reconcile.ids):
        yield "export.incomplete", "it needs ids in [reconcile]"
    yield from _paths(
        "export", parse_path, id=export.id, state=export.state, url=export.url,
        count=export.count, refused=export.refused, incomplete=export.incomplete,
    )  # fmt: skip
    for name in ("filter", "id_param"):
        yield from _request_field(f"export.{name}", getattr(export, name), api.request)
    yield from _paths("export", ListPath.parse, into=export.into)


def _paths(block: str, parse: Callable[[str], object], **texts: str | None) -> Iterator[SpecError]:
    """Errors of *texts*, which *parse* reports as ValueError."""
    for key, text in texts.items():
        try:
            if text is not None:
                parse(text)
        except ValueError as error:
            yield f"{block}.{key}", str(error)

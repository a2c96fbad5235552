"""The blocks of an API's ``.toml``, but for ``[order]``: how the API is asked.

A *place* says where in a request a value goes: the name of a query parameter, or, with ``$.`` in
front, the keys down into the JSON body: ``$.variables.after``. A *tell* says where in an answer a
value is: a path, or ``header:NAME``.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

BODY = "$."
"""Prefix of a request field in the JSON body: ``$.variables.after``."""

HEADER = "header:"
"""Prefix of a selector that reads a response header: ``header:X-Total``."""

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


class RequestSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[request]``: the call that lists orders.

    :param path: appended to the source's ``base_url``.
    :param query: parameters that every call sends.
    :param headers: headers that every call sends.
    :param body: JSON that every POST sends.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


Grant = Literal["login", "client_credentials", "refresh_token", "authorization_code"]


class TokenSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[auth.token]``: the call that brings a token, where the settings name none.

    :param grant: ``login``: with user and password; ``client_credentials``, ``refresh_token``,
        ``authorization_code``: as OAuth 2.0 has them (RFC 6749), the last by ``orderpull login``.
    :param url: a path below the source's ``auth_url`` (else ``base_url``), or a whole URL.
    :param authorize: ``authorization_code``: where a person allows it; like ``url``.
    :param scope: what is asked for, as the API writes it.
    :param form: fields sent as a form; ``{user}`` and its like stand for settings.
    :param body: the same, sent as JSON.
    :param client: how the client's id and secret are sent: ``basic``, or in the ``form``.
    :param token: the tell of the token.
    :param expires_in: path of the seconds that it is good for.
    :param refresh_token: path of the next refresh token, where it changes.
    :param lifetime: seconds that a token is good for where the answer does not say; 0: for ever.
    """

    grant: Grant
    url: str
    authorize: str | None = None
    scope: str | None = None
    form: dict[str, str] = {}
    body: dict[str, Any] = {}
    client: Literal["basic", "form"] = "form"
    token: str = "access_token"  # noqa: S105 - the name of a field
    expires_in: str = "expires_in"
    refresh_token: str = "refresh_token"  # noqa: S105 - the name of a field
    lifetime: Seconds = 0.0


class AuthSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[auth]``: how the source's token is sent, and how it is come by.

    :param kind: ``none``, ``bearer``, ``basic`` (token as ``user:password`` or as a user without
        one), ``header``, or ``query``.
    :param header: the header's name, for ``header``.
    :param param: the parameter's name, for ``query``.
    :param headers: further headers, in which ``{user}`` and its like stand for settings.
    :param optional: whether a source may do without a token.
    :param basic_for: tokens that begin so are sent as ``basic`` all the same.
    :param token: how a token is come by.
    """

    kind: Literal["none", "bearer", "basic", "header", "query"] = "none"
    header: str = "Authorization"
    param: str | None = None
    headers: dict[str, str] = {}
    optional: bool = False
    basic_for: list[str] = []
    token: TokenSpec | None = None


class PagingSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[paging]``: how one page follows another.

    :param kind: ``single``: one call; ``drain``: the same call until it answers no orders;
        ``page``: a page number; ``offset``: a number of orders to skip; ``cursor``: what the page
        before told is sent along; ``next``: the page tells the next one's URL, or its query
        string; ``link``: the header ``Link`` tells it (RFC 8288).
    :param size: orders asked for at once, unless the source says otherwise.
    :param max_size: the most that the API allows.
    :param size_param: place of the size.
    :param param: place of the page number, offset or cursor.
    :param first: number of the first page.
    :param total: tell of the number of all orders.
    :param next: path of the cursor, or of the next page's URL.
    :param more: path of what is false on the last page; where nothing is there, the list goes on.
    :param repeat: whether a call with a cursor sends the other parameters, too.
    """

    kind: Literal["single", "drain", "page", "offset", "cursor", "next", "link"] = "single"
    size: Count | None = None
    max_size: Count | None = None
    size_param: str | None = None
    param: str | None = None
    first: int = 1
    total: str | None = None
    next: str | None = None
    more: str | None = None
    repeat: bool = True


TimeFormat = Literal["iso", "naive", "sql", "rfc2822", "unix", "unix_ms"]


class CursorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[cursor]``: how only what changed is asked for.

    :param path: path, in the order, of the time it was changed.
    :param lower: place of the lower bound.
    :param upper: place of the upper bound, where there is one.
    :param filter: place of a text that holds the bounds, for APIs with a language of their own.
    :param filter_text: that text, with ``{lower}`` and ``{upper}``.
    :param inclusive: whether an order changed in the very instant of the lower bound is answered.
    :param precision: what times are rounded to.
    :param format: how times are written in requests: ``iso`` (``2026-01-31T09:30:00Z``), ``naive``
        (the same without zone), ``sql`` (with a blank for the T), ``rfc2822``, ``unix`` (seconds)
        or ``unix_ms``.
    :param timezone: the zone that times without one are in.
    :param overlap: seconds that each run reads again, for orders that were written late.
    :param lag: seconds that the upper bound stays behind the clock.
    :param window: days that one request may span.
    :param horizon: days after which the API forgets orders.
    :param server_upper: path, in the page, of the API's own upper bound.
    :param strategy: ``reseek`` where the API sorts by the cursor, ascending; ``window_verify``
        where it does not: the window is read until two passes agree.
    """

    path: str
    lower: str | None = None
    upper: str | None = None
    filter: str | None = None
    filter_text: str | None = None
    inclusive: bool = True
    precision: Literal["s", "ms", "us"] = "ms"
    format: TimeFormat = "iso"
    timezone: str = "UTC"
    overlap: Seconds = 120.0
    lag: Seconds = 0.0
    window: Annotated[float, Meta(gt=0)] | None = None
    horizon: Annotated[float, Meta(gt=0)] | None = None
    server_upper: str | None = None
    strategy: Literal["reseek", "window_verify"] = "reseek"

    @property
    def bounded(self) -> bool:
        """Whether the API can be asked for what changed before some time."""
        return self.upper is not None or "{upper}" in (self.filter_text or "")


class CostSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits.cost]``: paths to what an answer says of a budget of points.

    :param requested: points that the request asked for.
    :param available: points that are left.
    :param restore: points that come back in a second.
    """

    requested: str
    available: str
    restore: str


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: how gently the API wants to be asked.

    :param rate: requests per second at most; sources with one credential share it.
    :param burst: how many may go out at once before the rate holds.
    :param tries: how often one request is tried.
    :param wait_header: header that says how long to wait after 429 or 503.
    :param wait_unit: its unit: seconds (or an HTTP date), milliseconds, or ``rate``: requests per
        second.
    :param cost: where answers tell of a budget.
    """

    rate: Annotated[float, Meta(gt=0)] | None = None
    burst: Count = 1
    tries: Annotated[int, Meta(ge=1, le=20)] = 5
    wait_header: str = "Retry-After"
    wait_unit: Literal["s", "ms", "rate"] = "s"
    cost: CostSpec | None = None


class ErrorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[errors]]``: what makes an answer an error though its status is 200.

    :param path: path in the answer.
    :param values: it is the error if one of these stands there; where none is named, anything.
    :param means: ``busy``: ask again later; ``expired``: the token is; ``refused``: asking again
        helps nobody.
    :param message: path of the API's own words.
    """

    path: str
    means: Literal["busy", "expired", "refused"] = "refused"
    values: list[str] = []
    message: str | None = None


class RecordsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[records]``: where the list of orders is in a page; ``$`` is the page itself.

    ``data.orders.edges[].node`` says that the orders are the ``node`` of each edge.
    """

    path: str = "$"


class ChildrenSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[children]]``: what has to be asked for each order, and where in the order it goes.

    The answers are landed together with the page of the orders, all or none.

    :param into: path of the list, in the order, that gets the children's records.
    :param key: path, in the order, of what tells the API which order is meant.
    :param key_param: place of that; in the request's path ``{key}`` stands for it.
    :param more: path, in the order, of what is true where the list has to be asked for; where left
        out, it is asked for each order.
    :param next: path, in the order, of the cursor at which the list goes on.
    :param request, paging, records: as for orders; the paging's first cursor is ``next``.
    """

    into: str
    key: str
    request: RequestSpec
    key_param: str | None = None
    more: str | None = None
    next: str | None = None
    paging: PagingSpec = PagingSpec()
    records: RecordsSpec = RecordsSpec()


class ReconcileSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[reconcile]``: how all orders are listed, to find those that vanished.

    It is ``[request]`` without the bounds of ``[cursor]``; ids are all that is needed of it.

    :param query: parameters, beside those of ``[request]`` or instead of them.
    :param body: values by their places in the body, the same way.
    :param size: orders listed at once; the most that the API allows, unless given.
    :param partial: whether the API may leave old orders out of the list: then no order counts as
        deleted that was placed before all those listed.
    """

    query: dict[str, str] = {}
    body: dict[str, Any] = {}
    size: Count | None = None
    partial: bool = False


class ExportSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[export]``: a first run through a file that the API writes, where that is faster.

    The API is told to write it, asked until it is there, and the file is landed in parts of whole
    orders. Each line of it is JSON; lines with ``parent`` belong to the order before them. Where it
    cannot be had, the pages are read instead.

    :param submit, poll: bodies of the two calls, sent like ``[request]``.
    :param filter: place, in ``submit``, of ``filter_text``.
    :param filter_text: text that holds ``{lower}`` and ``{upper}``.
    :param id: path, in what ``submit`` answers, of what tells this export from others.
    :param id_param: place of that in ``poll``.
    :param refused: path, in what ``submit`` answers, of why it cannot be.
    :param state: path, in what ``poll`` answers, of how far it is.
    :param done, failed: values of that which end the waiting.
    :param url: path, in what ``poll`` answers, of the file's URL; none, if no order was found.
    :param count: path, in what ``poll`` answers, of the number of orders in the file.
    :param parent: the key of a line's order.
    :param into: list path, in the order, that its lines go into.
    :param every: seconds between two polls, at most.
    """

    submit: dict[str, Any]
    poll: dict[str, Any]
    filter: str
    filter_text: str
    id: str
    id_param: str
    state: str
    url: str
    into: str
    count: str | None = None
    refused: str | None = None
    done: tuple[str, ...] = ("COMPLETED",)
    failed: tuple[str, ...] = ("FAILED", "CANCELED", "EXPIRED")
    parent: str = "__parentId"
    every: Annotated[float, Meta(gt=0)] = 10.0

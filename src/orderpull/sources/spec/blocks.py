"""The blocks of an API's ``.toml`` that describe requests and responses: all except ``[order]``.

A *request field* names the part of a request that carries a value: a query parameter, or a path in
the JSON body that begins with ``$.``: ``$.variables.after``. A *selector* names a value in a
response: a path in the body, or ``header:NAME``.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

BODY = "$."
"""Prefix of a request field in the JSON body: ``$.variables.after``."""

HEADER = "header:"
"""Prefix of a selector that reads a response header: ``header:X-Total``."""

LINK = "{key}"
"""Path of a child request whose key is its URL."""

Seconds = Annotated[float, Meta(ge=0)]
Count = Annotated[int, Meta(ge=1)]


class SetupSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[setup]``: the texts that ``orderpull init`` shows.

    :param about: one line on the shops that have this API.
    :param base_url: an example, with capitals for what differs between shops; without capitals the
        default.
    :param credentials: origin of the credentials, in a sentence or two.
    :param start: limit of the orders' age, in a sentence.
    """

    about: str | None = None
    base_url: str | None = None
    credentials: str | None = None
    start: str | None = None


class RequestSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[request]``: the request that lists orders.

    :param path: appended to the source's ``base_url``.
    :param query: query parameters of every request.
    :param headers: headers of every request.
    :param body: JSON body of every POST.
    """

    path: str
    method: Literal["GET", "POST"] = "GET"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


class ResponseSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[response]``: what responses of this API have beside their orders.

    :param headers: headers and their values, such as the API's version; others are warned of.
    """

    headers: dict[str, str] = {}


Grant = Literal["login", "client_credentials", "refresh_token", "authorization_code"]


class TokenSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[auth.token]``: the request that fetches a token if the settings contain no token.

    :param grant: ``login`` sends user and password. ``client_credentials``, ``refresh_token`` and
        ``authorization_code`` are the grants of OAuth 2.0 (RFC 6749); the last needs
        ``orderpull login``.
    :param url: a path below the source's ``auth_url`` (or ``base_url``), or a whole URL.
    :param authorize: ``authorization_code``: URL of the consent page; written like ``url``.
    :param scope: requested scope, in the API's notation.
    :param form: form fields; ``{user}`` and other names in braces stand for settings.
    :param body: JSON body, with the same names in braces.
    :param client: the client's id and secret are sent as ``basic`` header or in the ``form``.
    :param token: selector of the token.
    :param expires_in: path of the token's lifetime in seconds.
    :param refresh_token: path of the next refresh token, if the API rotates refresh tokens.
    :param lifetime: lifetime in seconds if the response does not contain one; 0: unlimited.
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
    """``[auth]``: authentication of requests.

    :param kind: ``none``, ``bearer``, ``basic`` (the token is ``user:password``, or a user with an
        empty password), ``header``, or ``query``.
    :param header: name of the header, for ``header``.
    :param param: name of the query parameter, for ``query``.
    :param headers: further headers; ``{user}`` and other names in braces stand for settings.
    :param optional: a source may have no token.
    :param basic_for: prefixes of tokens that are sent as ``basic``, whatever ``kind`` is.
    :param token: the request that fetches a token.
    """

    kind: Literal["none", "bearer", "basic", "header", "query"] = "none"
    header: str = "Authorization"
    param: str | None = None
    headers: dict[str, str] = {}
    optional: bool = False
    basic_for: list[str] = []
    token: TokenSpec | None = None


class PagingSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[paging]``: pagination.

    :param kind: ``single``: one request; ``drain``: the same request until a response has no
        orders; ``page``: page number; ``offset``: number of orders to skip; ``cursor``: a cursor
        from the page before; ``next``: URL or query string of the next page, in the body;
        ``link``: URL of the next page, in the header ``Link`` (RFC 8288).
    :param size: page size (orders per request) if the source does not set ``page_size``.
    :param max_size: largest page size that the API allows.
    :param size_param: request field of the page size.
    :param param: request field of the page number, offset or cursor.
    :param first: number of the first page.
    :param total: selector of the number of all orders.
    :param next: path of the cursor, or of the next page's URL.
    :param more: path of a flag that is false on the last page. Without the flag, paging goes on.
    :param repeat: requests with a cursor send the other parameters too.
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


class AlsoSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[cursor.also]]``: a further cursor, for changes that do not move the first one.

    It is read after the first cursor, from a position of its own. All else is as in ``[cursor]``.

    :param path: path, in the order, of a time that these changes do set, such as the payment's.
    :param lower, filter, filter_text: as in ``[cursor]``, without ``{upper}``.
    :param query: query parameters that replace those of ``[request]``, such as the sort.
    :param body: values by request field; they replace values of the ``[request]`` body.
    :param below: request field of an upper bound of the first cursor's time. A read from ``start``
        then asks with this cursor only for the orders that the first one does not bring.
    """

    path: str
    lower: str | None = None
    filter: str | None = None
    filter_text: str | None = None
    query: dict[str, str] = {}
    body: dict[str, Any] = {}
    below: str | None = None


class CursorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[cursor]``: incremental reading by modification time.

    :param path: path, in the order, of its modification time.
    :param lower: request field of the lower bound.
    :param upper: request field of the upper bound, if the API has one.
    :param filter: request field of a filter expression, for APIs with a query language.
    :param filter_text: the filter expression, with ``{lower}`` and ``{upper}``.
    :param inclusive: the response includes orders modified exactly at the lower bound.
    :param precision: precision of the bounds; times are rounded down.
    :param format: format of times in requests: ``iso`` (``2026-01-31T09:30:00Z``), ``naive``
        (``iso`` without zone), ``sql`` (``naive`` with a blank for the T), ``rfc2822``, ``unix``
        (seconds) or ``unix_ms``.
    :param timezone: time zone of times that name no zone.
    :param overlap: seconds before the cursor that each run reads again, for orders written late.
    :param lag: seconds between the upper bound and the present.
    :param window: longest period of one request, in days.
    :param horizon: days after which the API no longer returns an order.
    :param server_upper: path, in the page, of the API's own upper bound.
    :param strategy: ``reseek`` if the API sorts by modification time, ascending; else
        ``window_verify``, which reads the window until two passes agree.
    :param silent: some changes do not move the time; ``full_reread_days`` is then 1 by default.
    :param also: further cursors.
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
    silent: bool = False
    also: list[AlsoSpec] = []

    @property
    def bounded(self) -> bool:
        """True if requests carry an upper bound."""
        return self.upper is not None or "{upper}" in (self.filter_text or "")

    @property
    def full_reread_days(self) -> float | None:
        """Default of the source's ``full_reread_days``."""
        return 1.0 if self.silent else None


class CostSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits.cost]``: paths of the query cost and the cost budget in a response.

    :param requested: cost of the request, in points.
    :param available: points left in the budget.
    :param restore: points restored per second.
    """

    requested: str
    available: str
    restore: str


class LimitsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: rate limit and retries.

    :param rate: most requests per second; sources with the same credential share this rate limit.
    :param burst: requests that may start at once before ``rate`` applies.
    :param tries: most attempts per request: the first one and its retries.
    :param wait_header: response header with the time to wait before a retry, after 429 or 503.
    :param wait_unit: unit of ``wait_header``: ``s`` (seconds or an HTTP date), ``ms``, or ``rate``
        (requests per second).
    :param cost: paths of the cost budget in a response.
    """

    rate: Annotated[float, Meta(gt=0)] | None = None
    burst: Count = 1
    tries: Annotated[int, Meta(ge=1, le=20)] = 5
    wait_header: str = "Retry-After"
    wait_unit: Literal["s", "ms", "rate"] = "s"
    cost: CostSpec | None = None


class ErrorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[errors]]``: an error that a response declares in its body, even with status 200.

    :param path: path in the response; ``errors[].code`` is the ``code`` of each element.
    :param values: values at ``path`` that declare the error; ``Cannot *`` is a beginning. Empty:
        any value does.
    :param means: ``busy``: retry later; ``broken``: request smaller pages, as after status 500;
        ``expired``: fetch a new token; ``partial``: read the orders without the ``fields`` that
        are denied, if every error is about these; ``refused``: do not retry.
    :param message: path of the API's error message.
    :param place: ``partial``: path of each error's place, a list of keys.
    :param fields: ``partial``: a place with one of these keys is about such a field.
    :param hint: the user's next step.
    """

    path: str
    means: Literal["busy", "broken", "expired", "partial", "refused"] = "refused"
    values: list[str] = []
    message: str | None = None
    place: str | None = None
    fields: list[str] = []
    hint: str | None = None


class RecordsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[records]``: path of the order list in a page; ``$`` is the page itself.

    With ``data.orders.edges[].node``, each order is the ``node`` of an edge.

    :param null: ``empty``: null in place of the list is an empty list, otherwise an error.
    """

    path: str = "$"
    null: Literal["error", "empty"] = "error"


class ChildrenSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[children]]``: a child list, such as order lines, that needs requests of its own.

    The responses are landed together with the page of the orders, as one page. Blocks are read in
    their order, so that one can follow the links in the records of an earlier one: the paths
    ``lines[].product`` and ``lines[].product_record`` are those of each element of ``lines``.

    :param into: path, in the order, of the list that receives the child records.
    :param key: path, in the order, of the key that identifies the order to the API.
    :param key_param: request field of the key; ``{key}`` in the request's path stands for it too.
        If the request's path is ``{key}`` alone, the key is a URL on the host of ``base_url``.
    :param one: the response is a single record, not a list; the list has this one record.
    :param shared: the record is the same for all orders; a run requests each key once.
    :param missing: status 404 is an ``error``, or the record no longer exists: ``empty``.
    :param more: path, in the order, of a flag that is true, or of a list that is not empty, if the
        child list must be fetched; without ``more``, it is fetched for each order.
    :param next: path, in the order, of the cursor of the child list's first page.
    :param request, paging, records: as for orders.
    """

    into: str
    key: str
    request: RequestSpec
    key_param: str | None = None
    more: str | None = None
    next: str | None = None
    one: bool = False
    shared: bool = False
    missing: Literal["error", "empty"] = "error"
    paging: PagingSpec = PagingSpec()
    records: RecordsSpec = RecordsSpec()


class IdsSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[ids]``: the request that lists ids, times and cursors alone.

    It gets past an order for which the API fails, and names it; ``orderpull verify`` lists orders
    with it. The response must have the order's id and modification time, and what ``[paging]``
    reads; with the fields of ``where``, too, no excluded order is looked up.

    :param query: query parameters that are added to ``[request]`` or replace its parameters.
    :param body: values by request field; they replace values of the ``[request]`` body.
    """

    query: dict[str, str] = {}
    body: dict[str, Any] = {}


class ReconcileSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[reconcile]``: the request that lists all orders, to detect deleted and missing ones.

    The request is ``[request]`` without the bounds of ``[cursor]``. Ids are read, and to tell
    missing orders from excluded ones the modification time and the fields of ``where``.

    :param query: query parameters that are added to ``[request]`` or replace its parameters.
    :param body: values by request field; they replace values of the ``[request]`` body.
    :param size: page size; default: the largest that the API allows.
    :param partial: the API may leave old orders out of the list. Orders older than all listed
        orders are then never marked as deleted.
    :param ids: request field of ``[request]`` that selects orders by id, to fetch missing ones.
        Without it their modification times are read again if requests carry an upper bound.
    :param ids_text: an id in this field.
    :param ids_join: text between two ids; empty: the field takes a JSON list.
    :param ids_at_once: most ids in one request.
    """

    query: dict[str, str] = {}
    body: dict[str, Any] = {}
    size: Count | None = None
    partial: bool = False
    ids: str | None = None
    ids_text: str = "{id}"
    ids_join: str = ","
    ids_at_once: Count = 50


class CountSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[count]``: the request that counts the orders changed in a period.

    It carries the bounds of ``[cursor]``, in the same request fields. ``orderpull verify`` counts
    with it. The ids of a period are listed only if its count differs from the tables.

    :param request: the request, with filters for what ``where`` excludes if the API has such.
    :param total: selector of the number.
    :param exact: path of a text that tells whether the number is exact.
    :param exact_value: the text at ``exact`` that means exact.
    :param upper: request field of the upper bound, if ``[cursor]`` names no such field.
    :param where: the request leaves out the orders that ``where`` excludes.
    """

    request: RequestSpec
    total: str
    exact: str | None = None
    exact_value: str = "EXACT"
    upper: str | None = None
    where: bool = False


class ExportSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """``[export]``: a bulk export, which makes the first run faster.

    One request submits the export; another polls its state until the file is ready. Each line of
    the file is JSON; a line with ``parent`` belongs to the order before it. The file is landed in
    chunks of whole orders. If the export fails, the pages are read instead.

    :param submit, poll: bodies of the two requests, which are otherwise like ``[request]``.
    :param filter: request field of ``filter_text`` in ``submit``.
    :param filter_text: filter expression with ``{lower}`` and ``{upper}``.
    :param id: path of the export's id in the response to ``submit``.
    :param id_param: request field of the id in ``poll``.
    :param refused: path of the error message in the response to ``submit``.
    :param state: path of the export's state in the response to ``poll``.
    :param done, failed: states that end the polling.
    :param url: path of the file's URL in the response to ``poll``; null if there are no orders.
    :param count: path of the number of orders in the response to ``poll``.
    :param parent: key, in a line, of the id of its order.
    :param into: list path, in the order, that receives the lines.
    :param incomplete: path, in an order of the file, of a value that only orders have of which the
        file leaves something out. They are fetched by ``[reconcile]`` ``ids`` afterwards.
    :param every: longest interval between two polls, in seconds.
    :param wait: longest time from the submission to the file, in seconds.
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
    incomplete: str | None = None
    count: str | None = None
    refused: str | None = None
    done: tuple[str, ...] = ("COMPLETED",)
    failed: tuple[str, ...] = ("FAILED", "CANCELED", "EXPIRED")
    parent: str = "__parentId"
    every: Annotated[float, Meta(gt=0)] = 10.0
    wait: Annotated[float, Meta(gt=0)] = 3600.0

"""Facts about a page that paging, retries and the landing need."""

from dataclasses import dataclass, field
from datetime import datetime

from orderpull.errors import HookFailed
from orderpull.landing.page import State
from orderpull.sources.compact import DecodedPage
from orderpull.sources.paging.child_requests import ChildRequest
from orderpull.sources.spec.blocks import ErrorSpec


@dataclass(slots=True)
class PageInfo:
    """Facts about one response that paging, retries and the landing need.

    :param state: as in :class:`orderpull.landing.page.PageMeta`.
    :param is_json: the body is one complete JSON text.
    :param has_records: the order list is complete; invalid JSON occurs inside single orders only.
    :param orders: length of the order list.
    :param problem: reason, in words, why the page is damaged or unexpected.
    :param hook_error: exception of the hook that should have converted the body to JSON.
    :param fingerprints: a hash of each order's version; for an API without cursor, of its id; for
        a page of children, one hash of the page.
    :param modified_times: modification times of the orders that have one.
    :param total: number of all orders, as the API reports it.
    :param next: cursor or URL of the next page.
    :param more: the API's flag for a next page; None if absent.
    :param server_upper: the API's own upper bound of the modification times it has searched.
    :param error: the ``[[errors]]`` block that matches the response, whatever its status.
    :param error_message: the API's error message.
    :param cost: points requested, points available, and points restored per second.
    :param child_requests: child lists to fetch, without those of the elements of lists.
    :param requested_size: page size of the request.
    :param is_continuation: the page is not the first of its list.
    :param identity: id or place of the order that was skipped instead of this page.
    :param decoded: the orders, decoded for the loader.
    """

    state: State
    is_json: bool = False
    has_records: bool = False
    orders: int = 0
    problem: str | None = None
    hook_error: HookFailed | None = None
    fingerprints: list[int] = field(default_factory=list)
    modified_times: list[datetime] = field(default_factory=list)
    total: int | None = None
    next: str | None = None
    more: bool | None = None
    server_upper: datetime | None = None
    error: ErrorSpec | None = None
    error_message: str = ""
    cost: tuple[float, float, float] | None = None
    child_requests: list[ChildRequest] = field(default_factory=list)
    requested_size: int | None = None
    is_continuation: bool = False
    identity: str = ""
    decoded: DecodedPage | None = field(default=None, compare=False, repr=False)

    @property
    def newest(self) -> datetime | None:
        """The newest modification time; None without any."""
        return max(self.modified_times, default=None)

    def sorted_from(self, lower: datetime) -> bool:
        """True if all orders have modification times in ascending order, from *lower* on."""
        times = self.modified_times
        if len(times) != self.orders or times != sorted(times):
            return False
        return not times or times[0] >= lower

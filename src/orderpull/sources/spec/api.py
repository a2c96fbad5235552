"""An API as its ``.toml`` describes it: the requests to send and the mapping of its orders."""

from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from orderpull.sources.spec import blocks
from orderpull.sources.spec.hook import Hook, load_hook
from orderpull.sources.spec.order import ListPath, Mapping, OrderSpec, mapping_of


class Api(Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """One API file: the top level of its ``.toml``.

    :param title: name shown to people.
    :param consume_once: the API returns each order in one response only, never again.
    :param hook: name of a Python file beside the ``.toml``; see ``hook.py``.
    """

    title: str
    request: blocks.RequestSpec
    order: OrderSpec
    consume_once: bool = False
    setup: blocks.SetupSpec = blocks.SetupSpec()
    response: blocks.ResponseSpec = blocks.ResponseSpec()
    auth: blocks.AuthSpec = blocks.AuthSpec()
    paging: blocks.PagingSpec = blocks.PagingSpec()
    cursor: blocks.CursorSpec | None = None
    limits: blocks.LimitsSpec = blocks.LimitsSpec()
    records: blocks.RecordsSpec = blocks.RecordsSpec()
    errors: list[blocks.ErrorSpec] = []
    children: list[blocks.ChildrenSpec] = []
    ids: blocks.IdsSpec | None = None
    reconcile: blocks.ReconcileSpec | None = None
    count: blocks.CountSpec | None = None
    export: blocks.ExportSpec | None = None
    hook: str | None = None

    @cached_property
    def record_path(self) -> ListPath:
        """The parsed ``[records]`` path of the order list in a page."""
        return ListPath.parse(self.records.path)

    def with_billing_country(self) -> "Api":
        """This API with the country of the invoice for an order without one of delivery."""
        address, billing = self.order.address, self.order.billing_country
        both = ", ".join(each for each in (address.country, billing) if each)
        address = replace(address, country=f"coalesce({both})")
        return replace(self, order=replace(self.order, address=address))

    @property
    def functions(self) -> Hook:
        """The functions of the hook. :raises ApiFileError: the hook cannot be loaded."""
        return load_hook(self.hook)

    @cached_property
    def mapping(self) -> Mapping:
        """The parsed ``[order]``."""
        return mapping_of(self.order)

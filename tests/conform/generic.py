"""The simulator's generic platform as a stage: an API file for each way of paging it has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orderpull.conform.target import AGO, Target, VirtualWait
from orderpull.simulator.shop.base import Platform
from orderpull.simulator.shop.generic import Generic, Paging
from orderpull.sources.spec.api import Api
from orderpull.sources.spec.reader import parse_api
from tests.shops import GENERIC_ORDER

FILE = """\
title = "Generic"

[request]
path = "{path}"
method = "{method}"

[paging]
size = 100
{paging}

[cursor]
path = "modified_at"
lower = "{body}modified_from"
upper = "{body}modified_to"
{cursor}

[records]
path = "orders"
""" + GENERIC_ORDER.replace("[order]", "[order]\n{order}")
PAGINGS = {
    "page": 'kind = "page"\nparam = "page"\nsize_param = "limit"',
    "offset": 'kind = "offset"\nparam = "offset"\nsize_param = "limit"',
    "cursor": 'kind = "cursor"\nparam = "cursor"\nnext = "next_cursor"\nsize_param = "limit"',
    "body_cursor": 'kind = "cursor"\nparam = "$.cursor"\nnext = "next_cursor"\n'
    'size_param = "$.limit"',
    "next_url": 'kind = "next"\nnext = "next"\nsize_param = "limit"',
    "next_query": 'kind = "next"\nnext = "next"\nsize_param = "limit"',
    "link": 'kind = "link"\nsize_param = "limit"',
}
"""``[paging]`` for each ``paging`` of the platform."""


@dataclass
class GenericTarget(Target):
    """The generic platform, read by paging *paging* and what else *cursor* and *order* say.

    :param switches: of the platform.
    """

    folder: Path
    paging: Paging
    cursor: str = ""
    order: str = ""
    switches: Mapping[str, Any] = field(default_factory=dict)
    name: str = "generic"

    api: Api = field(init=False)
    file: str = field(init=False)

    @property
    def text(self) -> str:
        """The API file."""
        searched = self.paging == "body_cursor"
        return FILE.format(
            path="/orders/search" if searched else "/orders",
            method="POST" if searched else "GET",
            body="$." if searched else "",
            paging=PAGINGS[self.paging],
            cursor=self.cursor,
            order=self.order,
        )

    def __post_init__(self) -> None:
        self.api = parse_api(self.text, "generic.toml")
        path = self.folder / "generic.toml"
        path.write_text(self.text, encoding="utf-8")
        self.file = str(path)

    def open(self, waits: VirtualWait, **switches: Any) -> Platform:
        now = datetime.now(UTC).replace(microsecond=0) - AGO
        common = {"now": now, "step": 0.1, **self.switches, **switches}
        return Generic(paging=self.paging, **common)

"""What the tests of asking share: settings, runs, and what they left in landing and warehouse."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orderpull import pipeline
from orderpull.landing.local import LocalSourceLanding
from orderpull.landing.page import PageMeta
from orderpull.pipeline import RunResult, SourceResult
from orderpull.settings import Settings, parse_settings
from orderpull.sources.http.limits import Stop
from orderpull.sources.pull import PullResult, ResumePoint, Source
from orderpull.sources.spec.reader import read_api
from tests import duckdb_file

ORDINARY = """
title = "Ordinary shop"
[request]
path = "/admin/orders"
[auth]
kind = "bearer"
optional = true
[paging]
kind = "offset"
param = "offset"
size_param = "limit"
size = 20
total = "count"
[records]
path = "orders"
[order]
number = "orderNumber"
[order.address]
country = "shipToAddress.country"
line1 = "shipToAddress.line1"
line2 = "shipToAddress.line2"
name = "shipToAddress.name"
postalcode = "shipToAddress.postalCode"
stateprovince = "shipToAddress.stateProvince"
[order.lines]
path = "orderItems"
sku = "sku"
quantity = "quantity"
"""
"""An API that can be asked again, and pages by offset."""

ADDRESS = ("country", "line1", "line2", "name", "postalcode", "stateprovince", "city")


@dataclass
class SourceShop:
    """A folder with settings for sources at *urls*, in which runs are made.

    :param api: of each source.
    :param more: further settings of each source.
    """

    folder: Path
    urls: dict[str, str]
    api: str = "skubana-assessment"
    more: str = ""

    @classmethod
    def at(
        cls, folder: Path, url: str, more: str = "", api: str = "skubana-assessment"
    ) -> "SourceShop":
        """One source called ``shop``."""
        return cls(folder, {"shop": url}, api, more)

    def __post_init__(self) -> None:
        text = "".join(
            f'[sources.{name}]\napi = "{self.api}"\nbase_url = "{url}"\n{self.more}\n'
            for name, url in self.urls.items()
        )
        self.file = self.folder / "orderpull.toml"
        self.file.write_text(text, encoding="utf-8")
        if self.api.endswith(".toml") and not (self.folder / self.api).exists():
            (self.folder / self.api).write_text(ORDINARY, encoding="utf-8")

    @property
    def settings(self) -> Settings:
        return parse_settings(self.file.read_text(encoding="utf-8"), self.file)

    def run(self, *, stop: Stop | None = None) -> RunResult:
        """One plain run."""
        return pipeline.run(self.settings, stop=stop)

    def run_one(self) -> SourceResult:
        """One plain run; what it did for the only source."""
        (result,) = self.run().sources.values()
        return result

    def source(self, name: str = "shop") -> Source:
        """The source, ready to be asked."""
        settings = self.settings.sources[name]
        return Source(name, settings, read_api(settings.api, self.folder))

    def pull(self, *, stop: Stop | None = None, name: str = "shop") -> PullResult:
        """Pull into the landing, without a warehouse."""
        landing = self.landing(name)
        landing.prepare()
        return self.source(name).pull(landing, ResumePoint(), stop or Stop())

    def landing(self, name: str = "shop") -> LocalSourceLanding:
        return LocalSourceLanding(self.folder / "landing" / name, name)

    def pages(self, name: str = "shop") -> list[PageMeta]:
        """The metadata of all landed pages."""
        landing = self.landing(name)
        return [landing.meta(page) for page in landing.pages()]

    def bodies(self, name: str = "shop") -> list[bytes]:
        """The bodies of all landed pages."""
        landing = self.landing(name)
        return [landing.read(page)[1] for page in landing.pages()]

    def in_flight(self) -> list[str]:
        """Names of what was left unfinished."""
        return sorted(path.name for path in (self.landing().folder / "in-flight").iterdir())

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the warehouse."""
        return duckdb_file.query(self.folder / "orders.duckdb", sql)

    def orders(self) -> dict[str, dict[str, Any]]:
        """The warehouse's orders, in the words of the simulator's truth."""
        found: dict[str, dict[str, Any]] = {
            number: {**dict(zip(ADDRESS, address, strict=True)), "items": {}}
            for number, *address in self.query(
                f"SELECT ordernumber, {', '.join(ADDRESS)} FROM order_address"
            )
        }
        for number, sku, quantity in self.query(
            "SELECT ordernumber, sku, quantity FROM order_item"
        ):
            found[number]["items"][sku] = quantity
        return found


def record(folder: Path, bodies: list[bytes], size: int) -> Path:
    """A recording for the profile ``replay``: *bodies* as pages of *size* orders each."""
    folder.mkdir()
    for index, body in enumerate(bodies):
        asked = {"method": "GET", "path": f"/admin/orders?limit={size}&offset={index * size}"}
        request = folder / f"page-{index + 1}.request.json"
        request.write_text(json.dumps(asked), encoding="utf-8")
        (folder / f"page-{index + 1}.json").write_bytes(body)
    return folder


def enveloped(orders: list[Any], total: int) -> bytes:
    """A page of orders as an ordinary API answers it."""
    told = {"count": total, "orders": orders}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()

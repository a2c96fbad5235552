"""A source that was pulled and loaded long ago."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orderpull import clock, read_settings
from orderpull.cli import main
from orderpull.landing import open_landing
from orderpull.landing.protocol import SourceLanding
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.shops import rows, shop_settings

EVERYTHING = (
    "FROM order_header ORDER BY ALL",
    "FROM order_address ORDER BY ALL",
    "FROM order_item ORDER BY ALL",
    "SELECT * EXCLUDE (run, rejected_at) FROM orderpull_reject ORDER BY ALL",
)


def long_ago() -> datetime:
    """A time before what ``keep_days = 60`` keeps."""
    return clock.now() - timedelta(days=100)


class OldShop:
    """A folder whose source was pulled and loaded a hundred days ago: six pages, two with rejects."""

    def __init__(self, folder: Path, landing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.file = folder / "orderpull.toml"
        shop = SkubanaAssessment(orders=120, per_call=20, seed=9, malformed=2)
        with Simulator(shop) as simulator:
            shop_settings(folder, simulator.url)
            self.plain = landing + self.file.read_text(encoding="utf-8")
            self.set(self.plain)
            then = long_ago()
            with monkeypatch.context() as patch:
                patch.setattr(clock, "now", lambda: then)
                self.call("run")
        self.needed = {page for (page,) in self.rows("SELECT page FROM orderpull_reject")}
        self.before = self.everything()

    def set(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def keep(self) -> None:
        """Set ``keep_days = 60``."""
        line = "keep_days = 60\n"
        if "[landing]\n" in self.plain:
            self.set(self.plain.replace("[landing]\n", f"[landing]\n{line}", 1))
        else:
            self.set(f"[landing]\n{line}{self.plain}")

    def call(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--config", str(self.file), *arguments])
        assert result.exit_code == code, result.output
        return result

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows(self.folder, query)

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """All rows that readers see."""
        return [self.rows(query) for query in EVERYTHING]

    @property
    def landing(self) -> SourceLanding:
        settings = read_settings(self.file)
        return open_landing(settings.landing, settings.folder).source("shop")

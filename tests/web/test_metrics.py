"""Figures for monitoring: true, bounded, and for who may see them."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orderpull import Settings, clock
from tests.web.browsing import ROOT
from tests.web.raw_client import BEARER, ask, locked, signed_in
from tests.web.shop import Order, fill, finished_run, rows_of, serving, settings_in

pytestmark = pytest.mark.slow

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def figures(site: str, *headers: str) -> Figures:
    """Every figure by its name and labels."""
    answer = ask(site, "/metrics", *headers)
    assert answer.status == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def of(source: str, found: Figures) -> dict[str, float]:
    """The figures of one source."""
    at = (("source", source),)
    return {
        name.removeprefix("orderpull_source_"): v
        for (name, labels), v in found.items()
        if labels == at
    }


def test_the_ledger_is_told_by_source(tmp_path: Path) -> None:
    """Age, last run, losses of all runs and rejects of each source of the settings, and of no other."""
    settings = settings_in(tmp_path, ("shop", "outlet", "new"))
    hour = clock.now() - timedelta(hours=1)
    runs = [
        finished_run(1, "shop", possible_loss=2), finished_run(2, "shop", possible_loss=1), finished_run(3, "shop", pulled_at=hour),
        finished_run(1, "outlet", pulled_at=hour), finished_run(2, "outlet", error="It did not answer.", pulled_at=None),
        finished_run(1, "gone"),
    ]  # fmt: skip
    rows = rows_of([Order("1", items={"PEN": 1})], runs)
    reject = {
        "source": "shop", "ordernumber": None, "reason": "number_missing", "raw": "Ada Secret", "message": "no number",
        "path": "$", "page": 1, "position": 0, "run": 1, "rejected_at": hour, "order_id": None, "reject_key": "k",
    }  # fmt: skip
    rows["orderpull_reject"] = [
        reject,
        {**reject, "position": 1, "reject_key": "l", "reason": "lines_wrong"},
    ]
    fill(settings, rows)
    with serving(settings) as site:
        found = figures(site)
    assert found["orderpull_warehouse_readable", ()] == 1
    shop, outlet, new = (of(name, found) for name in ("shop", "outlet", "new"))
    assert 1800 <= shop.pop("read_age_seconds") < 3600
    assert shop == {"last_run_ok": 1, "possible_losses": 3, "rejects": 2}
    assert 3600 <= outlet.pop("read_age_seconds") < 7200
    assert outlet == {"last_run_ok": 0, "possible_losses": 0, "rejects": 0}
    assert new == {
        "read_age_seconds": float("inf"),
        "last_run_ok": 0,
        "possible_losses": 0,
        "rejects": 0,
    }
    assert of("gone", found) == {}


@pytest.mark.parametrize("changed", [{"error": "no"}, {"possible_loss": 1}, {"finished_at": None}])
def test_a_run_that_did_not_end_well_is_not_ok(tmp_path: Path, changed: dict[str, Any]) -> None:
    settings = settings_in(tmp_path)
    fill(settings, rows_of([], [finished_run(1), finished_run(2, **changed)]))
    with serving(settings) as site:
        assert figures(site)["orderpull_source_last_run_ok", (("source", "shop"),)] == 0


def test_requests_are_counted_by_route_and_status(sold: Settings) -> None:
    """Routes as they are declared: as many labels as there are routes, whatever is asked for."""
    with serving(sold) as site:
        for number in range(30):
            ask(site, f"/nowhere/{number}")
            ask(site, f"/csv/{number}")
            ask(site, f"/static/{number}.js")
            ask(site, "/", f"Host: evil{number}.example")
        for _ in range(3):
            assert ask(site, "/skus?q=SKU-01").status == 200
        assert ask(site, "/skus?page=0").status == 400
        found = figures(site)
    counts = {
        labels: v for (name, labels), v in found.items() if name == "orderpull_http_requests_total"
    }
    assert counts == {
        (("route", "none"), ("status", "404")): 30,
        (("route", "/csv/{name}"), ("status", "404")): 30,
        (("route", "/static"), ("status", "404")): 30,
        (("route", "none"), ("status", "421")): 30,
        (("route", "/skus"), ("status", "200")): 3,
        (("route", "/skus"), ("status", "400")): 1,
    }
    name = "orderpull_http_request_duration_seconds"
    assert found[f"{name}_count", (("route", "/skus"),)] == 4
    assert found[f"{name}_bucket", (("le", "+Inf"), ("route", "/skus"))] == 4
    assert found[f"{name}_sum", (("route", "/skus"),)] > 0
    # The page itself, its standing and the first day: read once, kept twice. The last request is
    # another page, of which only the page is new.
    assert found["orderpull_answers_total", (("came", "kept"),)] == 8
    assert found["orderpull_answers_total", (("came", "read"),)] == 4
    assert not any("SKU" in str(key) for key in found)


def test_of_a_warehouse_that_cannot_be_read_only_that_is_told(tmp_path: Path) -> None:
    with serving(settings_in(tmp_path)) as site:
        found = figures(site)
        assert found["orderpull_warehouse_readable", ()] == 0
        assert not any(name.startswith("orderpull_source") for name, _ in found)
        assert ask(site, "/readyz").status == 503
        assert ask(site, "/healthz").text == "ok\n"


def test_only_who_signs_in_sees_figures(sold: Settings) -> None:
    with serving(locked(sold)) as site:
        assert ask(site, "/metrics").status == 401
        assert figures(site, BEARER)
        assert figures(site, signed_in(site))


def test_ready_is_told_to_everybody(sold: Settings) -> None:
    with serving(locked(sold)) as site:
        assert ask(site, "/readyz").text == "ready\n"


def test_the_docs_name_every_figure(sold: Settings) -> None:
    """And no other: but for those of the process, which Prometheus's library names."""
    with serving(sold) as site:
        ask(site, "/healthz")
        text = ask(site, "/metrics").text
    told = set(
        re.findall(
            r"^\| `(orderpull_\w+)` \|",
            (ROOT / "docs" / "dashboard.md").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    assert told == set(re.findall(r"^# TYPE (orderpull_\w+) ", text, re.MULTILINE))

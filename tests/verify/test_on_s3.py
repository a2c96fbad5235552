"""A landing in a bucket: its pages are compared as those of a folder, and the result is kept there."""

import json
from pathlib import Path

import duckdb
from click.testing import CliRunner

from orderpull import pipeline
from orderpull.cli import main
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.verify.record import last_verified
from tests.landing.buckets import TestBucket
from tests.landing.fixtures import bucket
from tests.shops import shop_settings

__all__ = ["bucket"]


def test_pages_in_a_bucket(bucket: TestBucket, tmp_path: Path) -> None:
    """One page is deleted, one is changed, and orders are deleted of a third."""
    with Simulator(SkubanaAssessment(orders=80, per_call=20, seed=3)) as simulator:
        settings = shop_settings(tmp_path, simulator.url, bucket.toml())
        assert pipeline.run(settings).ok
    keys = bucket.keys()
    pages = sorted(key for key in keys if key.endswith(".json.zst"))
    bucket.client.delete_object(Bucket=bucket.name, Key=f"raw/shop/{pages[0]}")
    bucket.put(pages[1], bucket.get(pages[1])[:-9] + b"different")
    with duckdb.connect(str(tmp_path / "orders.duckdb")) as connection:
        rows = connection.execute(
            "DELETE FROM order_item WHERE ordernumber IN "
            "(SELECT ordernumber FROM order_header WHERE page = 3) RETURNING ordernumber"
        ).fetchall()
    arguments = ["--config", str(settings.file), "verify", "--repair", "--json"]
    result = CliRunner().invoke(main, arguments)
    source = json.loads(result.stdout)["sources"]["shop"]
    assert [(each["order"], each["kind"]) for each in source["differences"]] == [
        ("page 1", "missing"), ("page 2", "different"),
    ]  # fmt: skip
    assert source["repaired"] >= len({*rows})
    note = last_verified(bucket.landing())
    assert note is not None
    assert [each.order for each in note.first] == ["page 1", "page 2"]
    assert "differences" in note.sentence

"""What is measured side by side: orderpull, dlt and a small reference, each as whole processes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from bench.home import write_settings
from bench.workload import BITS, Truth

ROOT = Path(__file__).resolve().parents[1]
ADDRESS = ("ordernumber", "country", "line1", "line2", "name", "postalcode", "stateprovince")
ITEM = ("ordernumber", "sku", "quantity")
HELD = """
WITH address AS (SELECT count(*) AS rows, sum({address}) AS hash FROM {schema}.order_address),
    item AS (SELECT count(*) AS rows, sum(quantity) AS pieces, sum({item}) AS hash
        FROM {schema}.order_item),
    reject AS (SELECT count(DISTINCT raw) AS rows FROM {schema}.{rejects})
SELECT address.rows, item.rows, pieces, reject.rows, address.hash, item.hash
FROM address, item, reject"""


@dataclass(frozen=True)
class System:
    """One of the systems.

    :param command: pulls and loads all that is new into ``orders.duckdb`` in ``{home}``; ``{url}``
        is the shop's address, ``{command}`` a command of orderpull.
    :param schema: where its tables are. :param rejects: its table of refused orders.
    :param has_landing: it is an orderpull.
    """

    name: str
    command: Sequence[str]
    schema: str = "main"
    rejects: str = "reject"
    has_landing: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def prepare(self, home: Path, shops: dict[str, str], destination: str = "") -> None:
        """Write the settings for pulling the *shops* into *destination*."""
        write_settings(home, shops, destination)

    def held(self, home: Path, postgresql: Any = None) -> Truth:  # noqa: ANN401 - a connection
        """What its tables hold, to be compared with the truth."""
        query = HELD.format(
            schema="public" if postgresql else self.schema,
            rejects=self.rejects,
            address=_hash(ADDRESS, is_postgresql=bool(postgresql)),
            item=_hash(ITEM, is_postgresql=bool(postgresql)),
        )
        if postgresql:
            row = postgresql.execute(query).fetchone()
        else:
            with duckdb.connect(str(home / "orders.duckdb"), read_only=True) as connection:
                row = connection.execute(query).fetchone()
        return Truth(*map(int, row))


def _hash(columns: Sequence[str], *, is_postgresql: bool) -> str:
    """SQL of :func:`bench.workload.row_hash` of *columns*."""
    text = " || ".join(f"coalesce({column}::VARCHAR, '') || '|'" for column in columns)
    digits = f"substr(md5({text}), 1, {BITS // 4})"
    return (
        f"('x' || {digits})::bit({BITS})::bigint"
        if is_postgresql
        else f"('0x' || {digits})::BIGINT"
    )


def orderpull(name: str = "orderpull", checkout: Path = ROOT) -> System:
    """The orderpull of *checkout*, which has a ``.venv``."""
    return System(
        name,
        [str(checkout / ".venv/bin/python"), "-m", "orderpull", "{command}", "--json"],
        rejects="orderpull_reject",
        has_landing=True,
        environment={"PYTHONPATH": str(checkout / "src")},
    )


SYSTEMS = {
    "orderpull": orderpull(),
    "reference": System(
        "reference", [sys.executable, str(ROOT / "bench/reference.py"), "{url}", "{home}"]
    ),
    "dlt": System(
        "dlt, lean",
        [
            str(ROOT / "build/dlt_lean/bin/python"),
            str(ROOT / "bench/dlt_lean/pull.py"),
            *("{url}", "{home}"),
        ],
        schema="shop",
    ),
}

"""Settings for simulated shops, as tests need them."""

from pathlib import Path
from typing import Any

from orderpull import Settings, read_settings
from orderpull.simulator import GENERIC_FILE
from tests import duckdb_file

GENERIC_ORDER = "\n[order]" + GENERIC_FILE.read_text("utf-8").partition("\n[order]")[2]
"""The part of an API file that says how the simulator's generic platform writes an order."""


def shop_settings(folder: Path, url: str, more: str = "", destination: str = "") -> Settings:
    """Write ``orderpull.toml`` for one consume-once source ``shop`` into *folder*, and read it.

    :param more: further lines of the source's block.
    :param destination: lines of the ``[destination]`` block.
    """
    text = (
        f"[destination]\nlock_wait = 0.2\n{destination}\n"
        f'[sources.shop]\napi = "skubana-assessment"\nbase_url = "{url}"\n{more}\n'
    )
    file = folder / "orderpull.toml"
    file.write_text(text, encoding="utf-8")
    return read_settings(file)


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """What *query* answers on the snapshot in *folder*."""
    return duckdb_file.query(folder / "orders.snapshot.duckdb", query)

"""Settings for simulated shops, as tests need them."""

from pathlib import Path
from typing import Any

import duckdb

from orderpull import Settings, read_settings


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
    with duckdb.connect(str(folder / "orders.snapshot.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()

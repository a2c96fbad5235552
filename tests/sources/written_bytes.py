"""Collect every byte that a run wrote: files, landed pages, and rows of the warehouse."""

from pathlib import Path

import duckdb

from orderpull.landing.local import LocalSourceLanding
from orderpull.model import TABLES


def everything_written(folder: Path) -> dict[str, bytes]:
    """Every file below *folder*; landed pages and warehouses unpacked too."""
    found = {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for source in (folder / "landing").iterdir():
        landing = LocalSourceLanding(source, source.name)
        for page in landing.pages():
            meta, body = landing.read(page)
            found[f"{source.name} page {page}"] = repr(meta).encode() + body
    for file in folder.glob("*.duckdb"):
        found[f"rows of {file.name}"] = rows(file)
    return found


def rows(file: Path) -> bytes:
    """Every row of every table, as text: the file itself may hold it compressed."""
    with duckdb.connect(str(file), read_only=True) as connection:
        tables = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
        assert len(tables) == len(TABLES)
        found = [connection.execute(f'SELECT * FROM "{name}"').fetchall() for (name,) in tables]
    return repr(found).encode()

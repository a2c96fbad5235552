"""What a replay changes, counted by comparing the tables before and after it."""

from collections.abc import Callable
from typing import Any

from orderpull.model import ORDER_ADDRESS, ORDER_HEADER, ORDER_ITEM

Rows = dict[Any, dict[str, Any]]
State = tuple[Rows, Rows, Rows, set[str]]
_SILENT = {"source", "loaded_at", "page"}


def state(query: Callable[[str], list[tuple[Any, ...]]]) -> State:
    """Headers, addresses and items by id, and the keys of the open rejects."""
    found: list[Rows] = []
    ids: dict[str, str] = {}
    for table in (ORDER_HEADER, ORDER_ADDRESS, ORDER_ITEM):
        rows: Rows = {}
        for values in query(f"SELECT {', '.join(table.names)} FROM {table.name}"):
            row = dict(zip(table.names, values, strict=True))
            if table is ORDER_HEADER:
                ids[row["ordernumber"]] = row["order_id"]
            key = ids[row["ordernumber"]]
            rows[(key, row["sku"]) if table is ORDER_ITEM else key] = {
                name: value for name, value in row.items() if name not in _SILENT
            }
        found.append(rows)
    rejects = {key for (key,) in query("SELECT reject_key FROM orderpull_reject")}
    return found[0], found[1], found[2], rejects


def changes(before: Rows, after: Rows) -> dict[str, int]:
    """Numbers of rows by what became of them."""
    both = before.keys() & after.keys()
    changed = sum(before[key] != after[key] for key in both)
    return {
        "inserted": len(after.keys() - both),
        "changed": changed,
        "unchanged": len(both) - changed,
        "removed": len(before.keys() - both),
    }


def columns(before: State, after: State) -> dict[str, int]:
    """Number of rows that differ in each column."""
    told: dict[str, int] = {}
    tables = (ORDER_HEADER, ORDER_ADDRESS, ORDER_ITEM)
    for table, old, new in zip(tables, before[:3], after[:3], strict=True):
        for key in old.keys() & new.keys():
            for name, value in old[key].items():
                if value != new[key][name] and name != "content_hash":
                    told[f"{table.name}.{name}"] = told.get(f"{table.name}.{name}", 0) + 1
    return told


def assert_foretold(told: dict[str, Any], before: State, after: State) -> None:
    """The counts of a dry run are those of what happened."""
    shop = told["sources"]["shop"]
    assert shop["orders"] == changes(before[0], after[0])
    assert shop["items"] == changes(before[2], after[2])
    found = {f"{c['table']}.{c['column']}": c["differing"] for c in shop["columns"]}
    assert found == columns(before, after)
    rejects = (len(after[3] - before[3]), len(before[3] - after[3]), len(after[3]))
    assert (shop["rejects"]["new"], shop["rejects"]["gone"], shop["rejects"]["open"]) == rejects

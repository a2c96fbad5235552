"""Names and streets never enter the tables, if the settings say so."""

import re
from typing import Any

from orderpull import pipeline, read_settings
from orderpull.operate.replay import replay
from tests.contract.list_shop import Listed
from tests.warehouses import Warehouse


def addresses(place: Warehouse) -> dict[str, tuple[Any, ...]]:
    """Name, street and city by order number."""
    rows = place.query("SELECT ordernumber, name, line1, city FROM order_address")
    return {number: tuple(rest) for number, *rest in rows}


def test_names_are_hashed_or_left_out(place: Warehouse) -> None:
    """Equal names have one hash; what cannot be shaped keeps no name either; replay applies it."""
    listed = Listed(place, 3, 'keep_names = "hash"\nkeep_address = true\n')
    listed.shop.place(3, to={"country": "DE", "line": "Weg 1", "name": " ADA ", "city": "Ulm"})
    listed.shop.place(4, lines=[{"sku": "A", "n": "some"}])
    listed.shop.place(5, lines=[{"sku": "A", "n": -1}], to="Ada, Weg 5")
    assert listed.run(accept=False).error is None
    first = addresses(place)
    assert first["N-1"][0] == first["N-2"][0] == first["N-3"][0]
    assert first["N-1"][1] == first["N-3"][1] != first["N-2"][1]
    assert all(re.fullmatch("[0-9a-f]{64}", text) for row in first.values() for text in row[:2])
    assert {row[2] for row in first.values()} == {"Ulm"}
    rejects = place.query("SELECT ordernumber, raw FROM orderpull_reject ORDER BY 1")
    assert [number for number, _ in rejects] == ["N-4", "N-5"]
    assert all("Ada" not in raw and "Weg" not in raw and '"A"' in raw for _, raw in rejects)
    listed.shop.place(2, to={"country": "DE", "line": None, "name": None, "city": None})
    assert listed.run().ok
    assert addresses(place) == first, "keep_address keeps the hash"

    file = listed.settings.file
    assert file is not None
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"hash"', "false"), encoding="utf-8")
    assert replay(read_settings(file)).result.ok
    left = {number for number, row in addresses(place).items() if row[:2] != (None, None)}
    assert left == {"N-2"}, "what keep_address has kept stays"
    assert replay(read_settings(file)).changed == {"shop": 0}
    again = pipeline.run(read_settings(file), send=listed.shop.send).sources["shop"].counts
    assert (again.inserted, again.updated) == (0, 0)

"""A shop with orders of one person, and searches for what is left of that person."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from orderpull import Settings
from orderpull.cli import main
from orderpull.model import TABLES, VIEWS
from tests.contract.list_shop import Listed
from tests.servers import aws_client, s3_server
from tests.traces import files, traces
from tests.warehouses import Warehouse

NAME, STREET, PLACE = "Zebulon Ünderwood-O'Quux", "Krötenwanderweg 777", "98765-ZQ"
PERSON = (
    NAME, STREET, PLACE, "zebulon@quux.example", "+49 555 0199", "55501992", "52.51631", "Quuxhaus",
    "leave it with Miss Quux",
)  # fmt: skip
"""Texts of a person, each of which stands in the shop's orders of that person."""

OTHER = "Nobody Else"
POSTAL = 'line1 = "to.line"\npostalcode = "to.zip"\nline2 = "to.extra"\n'


def to(**more: object) -> dict[str, object]:
    """An address, with the fields that nobody maps."""
    return {"country": "DE", "line": STREET, "extra": "Quuxhaus", "name": NAME, "city": "Ulm",
            "zip": PLACE, "phone": PERSON[4], "geo": {"lat": 52.51631}, **more}  # fmt: skip


def raw() -> dict[str, object]:
    """Further fields of an order, which no API file maps."""
    return {"customer": {"email": PERSON[3], "ids": [55501992], PERSON[3]: True},
            "notes": [PERSON[8]], "gift": False}  # fmt: skip


def person_shop(place: Warehouse, more: str = "") -> Listed:
    """A shop with orders of the person: one, one rejected, one deleted later, and others'."""
    listed = Listed(place, 4, f'reconcile = "1s"\n{more}')
    file = place.folder / "listed.toml"
    text = file.read_text(encoding="utf-8").replace('line1 = "to.line"\n', POSTAL)
    file.write_text(text, encoding="utf-8")
    for number in (2, 3, 6):
        listed.shop.place(number, to=to(), **raw())
    listed.shop.place(5, to=to(), lines=[{"sku": "A", "n": "some"}], **raw())
    elsewhere = {"country": "DE", "line": "Elsewhere 1", "name": OTHER, "city": "Ulm", "zip": "1"}
    listed.shop.place(4, to=elsewhere)
    return listed


def forget(listed: Listed, *arguments: str, code: int | None = 0) -> Result:
    """The result of ``orderpull forget ARGUMENTS``, which names nobody.

    :param code: the exit code; None: any.
    """
    return forget_with(listed.settings, *arguments, code=code)


def forget_with(settings: Settings, *arguments: str, code: int | None = 0) -> Result:
    """The same as :func:`forget` with any *settings*."""
    result = CliRunner().invoke(main, ["--config", str(settings.file), "forget", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert code is None or result.exit_code == code, result.output
    assert not traces(PERSON, [("output", result.output.encode())])
    return result


def everything(place: Warehouse, *folders: Path) -> Iterator[tuple[str, bytes]]:
    """Every byte that was written: files, tables, what is in buckets."""
    yield from files(place.folder, *folders)
    if place.kind != "duckdb":
        for table in TABLES:
            yield table.name, repr(place.query(f"SELECT * FROM {table.name}")).encode()
    if place.kind == "postgresql":
        yield (
            "pg_stats",
            repr(place.query("SELECT * FROM pg_stats WHERE schemaname = 'public'")).encode(),
        )
    if place.bucket:
        client = aws_client("s3", s3_server())
        versions = client.list_object_versions(Bucket=place.bucket).get("Versions", ())
        for each in versions:
            got = client.get_object(
                Bucket=place.bucket, Key=each["Key"], VersionId=each["VersionId"]
            )
            yield each["Key"], got["Body"].read()


def counted(place: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """What counts: the answers, and each order without its person."""
    queries = {view: f"SELECT * FROM {view}" for view in VIEWS}
    queries["header"] = (
        "SELECT ordernumber, order_id, status, counted, ordered_at, modified_at, item_quantity, page "
        "FROM order_header"
    )
    queries["address"] = "SELECT ordernumber, country, stateprovince, city FROM order_address"
    queries["items"] = "SELECT ordernumber, sku, quantity FROM order_item"
    queries["rejects"] = "SELECT ordernumber, reason, path, page, position FROM orderpull_reject"
    queries["summary"] = "SELECT source, day, country, orders, quantity FROM summary_day"
    return {name: sorted(place.query(query), key=repr) for name, query in queries.items()}


def persons(place: Warehouse) -> dict[str, tuple[Any, ...]]:
    """Name, street and postal code by order number."""
    rows = place.query("SELECT ordernumber, name, line1, postalcode FROM order_address")
    return {number: tuple(rest) for number, *rest in rows}

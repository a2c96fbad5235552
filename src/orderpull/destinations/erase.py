"""Erase persons from the tables of one source, in one transaction; the sales stay.

The rollups hold no persons and stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from orderpull import clock
from orderpull.destinations import ledger
from orderpull.destinations.loader import Loader
from orderpull.destinations.merge.stored import (
    ADDRESS_COLUMNS,
    DELETED,
    HEAD_COLUMNS,
    ID_COLUMNS,
    ITEM_COLUMNS,
    ITEMS,
    ORDERS,
)
from orderpull.destinations.session import make_within
from orderpull.destinations.stage import stage_rows
from orderpull.failpoints import failpoint
from orderpull.landing.page import PageMeta
from orderpull.model import MASKS, ORDER_ADDRESS, ORDER_HEADER
from orderpull.normalize.staging import HASHED, ITEM_FIELDS

ROWS_AT_ONCE = 50_000
"""Rows of persons that are fetched from a server at once."""

HIDDEN = MASKS[ORDER_ADDRESS.name].hidden
NULLED = (*HIDDEN, *MASKS[ORDER_HEADER.name].hidden)
"""The columns of an order that become NULL."""

_PERSON = [
    *ORDER_HEADER.pick("ordernumber, order_id"),
    *(column for column in ORDER_ADDRESS.columns if column.name in {*HIDDEN, "city"}),
]
_PERSONS = f"""SELECT h.ordernumber, h.order_id, {", ".join(f"a.{c.name}" for c in _PERSON[2:])}
FROM order_header AS h JOIN order_address AS a USING (source, ordernumber) WHERE h.source = ?"""
_NEXT_PERSONS = f"""{_PERSONS} AND h.ordernumber > ?
ORDER BY h.ordernumber LIMIT {ROWS_AT_ONCE}"""

_REHASHED = f"""
SELECT order_id, ordernumber, status, content_hash, has_person,
    md5(json_array({HASHED})::VARCHAR) AS new_hash
FROM (SELECT erased_order.* EXCLUDE ({", ".join(NULLED)}), coalesce(i.items, []) AS items,
          coalesce({", ".join(NULLED)}) IS NOT NULL AS has_person,
          {", ".join(f"NULL::VARCHAR AS {name}" for name in NULLED)}
      FROM erased_order LEFT JOIN (
          SELECT order_id, list_sort(list({{{ITEM_FIELDS}}})) AS items
          FROM erased_item GROUP BY order_id) AS i USING (order_id))"""
_NULLED = ", ".join(f"{name} = NULL" for name in HIDDEN)
_ADDRESS = f"UPDATE order_address SET {_NULLED} WHERE source = ? AND ordernumber = ?"
_HASH = """UPDATE order_header SET content_hash = ?, customer = NULL
WHERE source = ? AND order_id = ?"""
_REJECT = """UPDATE orderpull_reject SET raw = ?, message = ?, reject_key = ?
WHERE source = ? AND reject_key = ?"""


@dataclass(frozen=True, slots=True)
class NewReject:
    """A reject whose text is replaced. :param key: its key before. :param new_key: its new key."""

    key: str
    new_key: str
    raw: str
    message: str


@dataclass(slots=True)
class Erased:
    """Rows that were changed.

    :param orders: numbers of the stored orders, also of those that had no person any more.
    :param persons: orders that had one: in the address, or a customer.
    :param rejects: rows of ``orderpull_reject``.
    """

    orders: list[str] = field(default_factory=list)
    persons: int = 0
    rejects: int = 0


def stage_persons(loader: Loader, source: str) -> None:
    """Make the stage's table ``stored_person``: the persons of all stored orders of *source*.

    They are compared here, so that no name stands in a statement that a server may log.
    """
    if loader.session.is_stage:
        make_within(loader.session, "stored_person", _PERSONS, [source])
        return
    stage_rows(loader.stage, "stored_person", _PERSON, [])
    last = ""
    while rows := loader.session.execute(_NEXT_PERSONS, [source, last]):
        stage_rows(loader.stage, "more_person", _PERSON, rows)
        loader.stage.execute("INSERT INTO stored_person FROM more_person")
        last = str(rows[-1][0])


def erase(
    loader: Loader,
    source: str,
    ids: Sequence[str],
    hashes: Mapping[str, str],
    rejects: Sequence[NewReject],
) -> Erased:
    """Erase the persons of the stored orders with *ids*, and the texts of *rejects*.

    Who is forgotten must be noted before: a load that has not read it is overtaken, and a later one
    keeps the persons out.

    :param hashes: new content hash of each version that was read again, by its old one.
    """
    execute, erased = loader.session.execute, Erased(rejects=len(rejects))
    _overtake_loads(loader, source)
    failpoint("loads-overtaken")
    of_deleted = _deleted(loader, hashes)
    rows = _stored(loader, source, ids)
    with loader.session.writing():
        for order_id, number, status, old, has_person, recomputed in rows:
            # The hash of a deleted order is that of the version before, hashed again.
            known, other = (of_deleted, old) if status == DELETED else (hashes, recomputed)
            new = known.get(old, other)
            if has_person:
                execute(_ADDRESS, [source, number])
            if new != old or has_person:
                execute(_HASH, [new, source, order_id])
            erased.orders.append(number)
            erased.persons += has_person
        for reject in rejects:
            execute(_REJECT, [reject.raw, reject.message, reject.new_key, source, reject.key])
        failpoint("persons-erased")
    return erased


def _overtake_loads(loader: Loader, source: str) -> None:
    """Raise the number of loads, also of a source that was never loaded."""
    with loader.session.writing():
        state = loader.state(source)
        overtaking = replace(state, loads=state.loads + 1)
        ledger.write_states(loader.session.execute, {source: overtaking}, clock.now())


def _stored(loader: Loader, source: str, ids: Sequence[str]) -> ledger.Rows:
    """The stored orders with *ids*: id, number, status, hash, if it has a person, hash without."""
    stage_rows(loader.stage, "erased_id", ID_COLUMNS, [(source, each) for each in ids])
    fetch = loader.fetch_keyed
    columns = [*HEAD_COLUMNS, *ADDRESS_COLUMNS]
    fetch("erased_order", "erased_id", ORDERS.format(keys="erased_id"), columns)
    fetch("erased_item", "erased_id", ITEMS.format(keys="erased_id"), [*ID_COLUMNS, *ITEM_COLUMNS])
    return loader.stage.execute(_REHASHED).fetchall()


def renew_pages(loader: Loader, source: str, pages: Sequence[PageMeta]) -> None:
    """Write hash and length of rewritten *pages* into the ledger."""
    with loader.session.writing():
        for meta in pages:
            loader.session.execute(
                "UPDATE orderpull_page SET sha256 = ?, bytes = ? WHERE source = ? AND page = ?",
                [meta.sha256, meta.size, source, meta.page],
            )
        failpoint("pages-renewed")


def _deleted(loader: Loader, hashes: Mapping[str, str]) -> dict[str, str]:
    """The *hashes* of the same versions once they are deleted at their source."""
    if not hashes:
        return {}
    rows = loader.stage.execute(
        f"""SELECT md5('{DELETED}' || old), md5('{DELETED}' || new)
            FROM (SELECT unnest($1::VARCHAR[]) AS old, unnest($2::VARCHAR[]) AS new)""",
        [list(hashes), list(hashes.values())],
    ).fetchall()
    return dict(rows)

"""Shopify's bulk operations: a query that runs by itself, and the file that it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orderpull.simulator.profile import Answer
from orderpull.simulator.shop.base import RefusedError, dumped
from orderpull.simulator.shop.times import iso
from tests.platforms.graphql import GraphQLError, check, chosen, parse
from tests.platforms.shopify_order import gid
from tests.platforms.shopify_schema import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from orderpull.simulator.shop.clock import Clock
    from tests.platforms.graphql import Field

MOST_CONNECTIONS = 5
NEEDS_ID = (
    "The parent 'node' field for a nested connection must select the 'id' field without an alias "
    "and must be of 'ID' return type."
)
FIRST_KEY = 720_918
ENDED = ("COMPLETED", "FAILED", "CANCELED")


@dataclass(slots=True)
class BulkOperation:
    """A bulk operation and the lines of its file, which tell the shop as it was at `created`."""

    key: int
    query: str
    created: datetime
    lines: list[bytes]
    roots: int
    status: str = "CREATED"
    polls: int = 0
    completed: datetime | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return gid("BulkOperation", self.key)

    def told(self, host: str) -> dict[str, Any]:
        """Return it as GraphQL tells it; the file lies on `host`."""
        url = f"http://{host}/bulk/{self.key}.jsonl"
        done, failed = self.status == "COMPLETED", self.status == "FAILED"
        return {
            "__typename": "BulkOperation",
            "id": self.id,
            "type": "QUERY",
            "status": self.status,
            "errorCode": "INTERNAL_SERVER_ERROR" if failed else None,
            "query": self.query,
            "createdAt": iso(self.created, "s"),
            "completedAt": self.completed and iso(self.completed, "s"),
            "objectCount": str(len(self.lines)) if done else "0",
            "rootObjectCount": str(self.roots) if done else "0",
            "fileSize": str(len(self.file())) if done else None,
            "url": url if done and self.lines else None,
            "partialDataUrl": url if failed and self.lines else None,
        }

    def file(self) -> bytes:
        """Return the file; of a failed operation the first half of its lines."""
        lines = self.lines[: len(self.lines) // 2] if self.status == "FAILED" else self.lines
        return b"".join(line + b"\n" for line in lines)


class BulkDesk:
    """Takes bulk operations in, and tells how they are getting on."""

    def __init__(
        self,
        clock: Clock,
        find: Callable[[dict[str, Any]], list[dict[str, Any]]],
        *,
        polls: int,
        fails: bool,
        at_once: int,
    ) -> None:
        """Open: `find` returns the orders that the arguments of a query find."""
        self._clock = clock
        self._find = find
        self._polls = polls
        self._fails = fails
        self._at_once = at_once
        self._taken: list[BulkOperation] = []

    def root(self, host: str) -> dict[str, Callable[..., dict[str, Any] | None]]:
        """Return the fields of queries and mutations that are about bulk operations."""

        def current(**_: object) -> dict[str, Any] | None:
            return self.polled(self._taken[-1].id, host) if self._taken else None

        def run(query: str = "", **switches: bool) -> dict[str, Any]:
            grouped = bool(switches.get("groupObjects"))
            try:
                return _payload(self._run(query, grouped=grouped).told(host))
            except GraphQLError as error:
                return _payload(None, str(error))

        def cancel(**arguments: object) -> dict[str, Any]:
            operation = self._named(str(arguments.get("id")))
            if operation is None or operation.status in ENDED:
                return _payload(None, "A bulk operation cannot be canceled when it is completed")
            operation.status, operation.completed = "CANCELED", self._clock.now
            return _payload(operation.told(host))

        return {
            "currentBulkOperation": current,
            "bulkOperationRunQuery": run,
            "bulkOperationCancel": cancel,
        }

    def polled(self, told_id: str, host: str) -> dict[str, Any] | None:
        """Return an operation one state further than it was told before; None for another's id."""
        operation = self._named(told_id)
        if operation is None:
            return None
        if operation.status not in ENDED:
            operation.polls += 1
            operation.status = "RUNNING"
            if operation.polls > self._polls:
                operation.status = "FAILED" if self._fails else "COMPLETED"
                operation.completed = self._clock.now
        return operation.told(host)

    def file(self, key: int) -> Answer:
        """Answer the file of the operation with this key; it needs no token."""
        operation = next((one for one in self._taken if one.key == key), None)
        if operation is None or operation.status not in ("COMPLETED", "FAILED"):
            raise RefusedError(404, {"errors": "Not Found"})
        return Answer(200, operation.file(), "application/jsonl")

    def _named(self, told_id: str) -> BulkOperation | None:
        return next((one for one in self._taken if one.id == told_id), None)

    def _run(self, query: str, *, grouped: bool) -> BulkOperation:
        running = [one for one in self._taken if one.status not in ENDED]
        if len(running) >= self._at_once:
            message = "A bulk query operation for this app and shop is already in progress: "
            raise GraphQLError(message + running[-1].id)
        orders = bulk_fields(query)
        lines, roots = bulk_lines(orders, self._find(orders.arguments), grouped=grouped)
        key = FIRST_KEY + len(self._taken)
        operation = BulkOperation(key, query, self._clock.now, lines, roots)
        self._taken.append(operation)
        return operation


def _payload(operation: dict[str, Any] | None, error: str | None = None) -> dict[str, Any]:
    errors = [] if error is None else [{"field": ["query"], "message": error, "code": "INVALID"}]
    return {"bulkOperation": operation, "userErrors": errors}


def bulk_fields(text: str) -> Field:
    """Return the `orders` field of a bulk query, with pages as large as can be.

    GraphQLError for a query that cannot run in bulk.
    """
    operation = parse(text)
    check(operation.fields, SCHEMA, "Query")
    if operation.kind != "query" or [field.name for field in operation.fields] != ["orders"]:
        raise GraphQLError("Bulk queries must contain at least one connection.")
    (orders,) = operation.fields
    node = _node_fields(orders)
    nested = [field for field in node if field.name == "lineItems"]
    if nested and not any(field.name == field.key == "id" for field in node):
        raise GraphQLError(NEEDS_ID)
    if 1 + len(nested) > MOST_CONNECTIONS:
        raise GraphQLError(f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections.")
    return orders


def _node_fields(connection: Field) -> list[Field]:
    for field in connection.fields:
        if field.name == "nodes":
            return field.fields
        if field.name == "edges":
            return [one for edge in field.fields if edge.name == "node" for one in edge.fields]
    raise GraphQLError("Bulk queries must select the nodes of a connection.")


def bulk_lines(
    orders: Field, found: list[dict[str, Any]], *, grouped: bool
) -> tuple[list[bytes], int]:
    """Return the file's lines and how many of them are orders.

    Each object is a line of its own. Children tell `__parentId`; they follow their parent when they
    are `grouped`, else they come after all orders, those of the last order first.
    """
    fields = _node_fields(orders)
    plain = [field for field in fields if field.name != "lineItems"]
    nested = [field for field in fields if field.name == "lineItems"]
    groups: list[list[bytes]] = []
    for order in found:
        lines = [dumped(chosen(order, plain))]
        for field in nested:
            lines += [
                dumped({**chosen(item, _node_fields(field)), "__parentId": order["id"]})
                for item in _all(order["lineItems"])
            ]
        groups.append(lines)
    if grouped:
        return [line for lines in groups for line in lines], len(groups)
    parents = [lines[0] for lines in groups]
    children = [line for lines in reversed(groups) for line in lines[1:]]
    return parents + children, len(groups)


def _all(connection: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        page = connection(first=250, after=after)
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes

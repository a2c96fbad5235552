"""Shopify's bulk operations: a query that runs by itself, and the file that it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from orderpull.simulator.profile import Response, dump_json
from orderpull.simulator.shop.base import RefusedError
from orderpull.simulator.shop.times import iso
from tests.platforms.graphql_request import Call, InvalidDocumentError, Operation
from tests.platforms.shopify_connection import connection_of
from tests.platforms.shopify_cost import node_fields
from tests.platforms.shopify_order import BULK, gid

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from graphql import GraphQLSchema

    from orderpull.simulator.shop.times import Clock
    from tests.platforms.graphql_request import Field

MOST_CONNECTIONS = 5
NEEDS_ID = (
    "The parent 'node' field for a nested connection must select the 'id' field without an alias "
    "and must be of 'ID' return type."
)
WITHIN_LIST = (
    "Queries that contain a connection field within a list field are not currently supported."
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


class BulkOperations:
    """Takes bulk operations in, and tells how they are getting on."""

    def __init__(
        self,
        schema: GraphQLSchema,
        clock: Clock,
        find: Callable[[dict[str, Any]], list[dict[str, Any]]],
        *,
        polls: int,
        fails: bool,
        at_once: int,
    ) -> None:
        """Open: `find` returns the orders that the arguments of a query find."""
        self._schema = schema
        self._clock = clock
        self._find = find
        self._polls = polls
        self._fails = fails
        self._at_once = at_once
        self._taken: list[BulkOperation] = []

    def root(self, host: str) -> dict[str, Callable[..., dict[str, Any] | None]]:
        """Return the fields of queries and mutations that are about bulk operations."""

        def current(_: object, **__: object) -> dict[str, Any] | None:
            return self.polled(self._taken[-1].id, host) if self._taken else None

        def run(_: object, query: str, groupObjects: bool) -> dict[str, Any]:  # noqa: N803 - the API's
            try:
                return _payload(self._run(query, grouped=groupObjects).told(host))
            except (GraphQLError, InvalidDocumentError) as error:
                return _payload(None, str(error))

        def cancel(_: object, **arguments: object) -> dict[str, Any]:
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

    def file(self, key: int) -> Response:
        """Answer the file of the operation with this key; it needs no token."""
        operation = next((one for one in self._taken if one.key == key), None)
        if operation is None or operation.status not in ("COMPLETED", "FAILED"):
            raise RefusedError(404, {"errors": "Not Found"})
        return Response(200, operation.file(), "application/jsonl")

    def _named(self, told_id: str) -> BulkOperation | None:
        return next((one for one in self._taken if one.id == told_id), None)

    def _run(self, query: str, *, grouped: bool) -> BulkOperation:
        running = [one for one in self._taken if one.status not in ENDED]
        if len(running) >= self._at_once:
            message = "A bulk query operation for this app and shop is already in progress: "
            raise GraphQLError(message + running[-1].id)
        orders = self._orders(bulk_query(query, self._schema))
        lines, roots = bulk_lines(orders, grouped=grouped), len(orders)
        key = FIRST_KEY + len(self._taken)
        operation = BulkOperation(key, query, self._clock.now, lines, roots)
        self._taken.append(operation)
        return operation

    def _orders(self, operation: Operation) -> list[dict[str, Any]]:
        """Return the selected fields of all orders that a bulk query finds."""

        def orders(_: object, **arguments: Any) -> dict[str, Any]:
            nodes = self._find(arguments)
            return connection_of(nodes, [""] * len(nodes), more=False, before=False)

        result = operation.run({"orders": orders}, BULK)
        if result.errors or result.data is None:
            raise GraphQLError("; ".join(error.message for error in result.errors or ()))
        (connection,) = result.data.values()
        return _nodes(connection)


def _payload(operation: dict[str, Any] | None, error: str | None = None) -> dict[str, Any]:
    errors = [] if error is None else [{"field": ["query"], "message": error, "code": "INVALID"}]
    return {"bulkOperation": operation, "userErrors": errors}


def bulk_query(text: str, schema: GraphQLSchema) -> Operation:
    """Return the operation of a bulk query.

    GraphQLError or InvalidDocumentError for a query that cannot run in bulk.
    """
    operation = Call(text, {}).checked(schema)
    roots = operation.fields()
    if operation.is_mutation or [field.name for field in roots] != ["orders"]:
        raise GraphQLError("Bulk queries must contain at least one connection.")
    nodes = node_fields(roots[0])
    if not nodes:
        raise GraphQLError("Bulk queries must select the nodes of a connection.")
    fields = [field for node in nodes for field in node.fields]
    nested = [field for field in fields if field.name == "lineItems"]
    if nested and not any(field.name == field.key == "id" for field in fields):
        raise GraphQLError(NEEDS_ID)
    if any(field.is_list and _selects_connection(field) for field in fields):
        raise GraphQLError(WITHIN_LIST)
    if 1 + len(nested) > MOST_CONNECTIONS:
        raise GraphQLError(f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections.")
    return operation


def _selects_connection(field: Field) -> bool:
    return any(
        below.type.endswith("Connection") or _selects_connection(below) for below in field.fields
    )


def bulk_lines(orders: list[dict[str, Any]], *, grouped: bool) -> list[bytes]:
    """Return the lines of the file.

    Each object is a line of its own; children have `__parentId`. With `grouped` they follow their
    parent, otherwise they come after all orders, those of the last order first.
    """
    groups: list[list[bytes]] = []
    for order in orders:
        nested = [value for value in order.values() if _is_connection(value)]
        plain = {key: value for key, value in order.items() if value not in nested}
        children = [node for connection in nested for node in _nodes(connection)]
        groups.append(
            [
                dump_json(plain),
                *(dump_json({**node, "__parentId": order["id"]}) for node in children),
            ]
        )
    if grouped:
        return [line for lines in groups for line in lines]
    parents = [lines[0] for lines in groups]
    return parents + [line for lines in reversed(groups) for line in lines[1:]]


def _is_connection(value: object) -> bool:
    return isinstance(value, dict) and bool({"edges", "nodes"} & value.keys())


def _nodes(connection: dict[str, Any]) -> list[dict[str, Any]]:
    if "nodes" in connection:
        return list(connection["nodes"])
    return [edge["node"] for edge in connection["edges"]]

"""Relay connections: a page of a list, its cursors, and whether more follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLError

from orderpull.simulator.shop.selecting import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 250
WRONG_CURSOR = "Invalid cursor for current pagination sort."


def page_size(arguments: Mapping[str, Any]) -> int:
    """Return `first`, which must be from 1 to 250; GraphQLError otherwise."""
    first = arguments.get("first")
    if arguments.get("last") is not None or arguments.get("before") is not None:
        raise GraphQLError("The simulator pages forward alone: use first and after")
    if first is None:
        raise GraphQLError("you must provide one of first or last")
    if not 0 < first <= MOST:
        message = f"first cannot exceed {MOST} and must be positive, {first!r} was given"
        raise GraphQLError(message)
    return int(first)


def connection(nodes: Sequence[dict[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of a list that does not change between pages; cursors name node ids."""
    start = 0
    if arguments.get("after") is not None:
        last = cursor_of(arguments["after"]).get("last_id")
        places = [place for place, node in enumerate(nodes) if node["id"] == last]
        if not places:
            raise GraphQLError(WRONG_CURSOR)
        start = places[0] + 1
    page = nodes[start : start + page_size(arguments)]
    cursors = [packed({"last_id": node["id"]}) for node in page]
    return connection_of(page, cursors, more=start + len(page) < len(nodes), before=start > 0)


def connection_of(
    page: Sequence[dict[str, Any]], cursors: Sequence[str], *, more: bool, before: bool
) -> dict[str, Any]:
    """Return the connection of these nodes."""
    return {
        "edges": [
            {"cursor": cursor, "node": node} for cursor, node in zip(cursors, page, strict=True)
        ],
        "nodes": list(page),
        "pageInfo": {
            "hasNextPage": more,
            "hasPreviousPage": before,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }


def cursor_of(text: object) -> dict[str, Any]:
    """Return the contents of a cursor. GraphQLError for a text that is not a cursor."""
    try:
        return unpacked(str(text))
    except ValueError:
        raise GraphQLError(WRONG_CURSOR) from None

"""Relay connections: a page of a list, its cursors, and whether more follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orderpull.simulator.shop.selecting import packed, unpacked
from tests.platforms.graphql import GraphQLError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 250
WRONG_CURSOR = "Invalid cursor for current pagination sort."


def page_size(arguments: Mapping[str, Any]) -> int:
    """Return `first`, which must be from 1 to 250; GraphQLError otherwise."""
    first = arguments.get("first")
    if arguments.get("last") is not None or arguments.get("before") is not None:
        raise GraphQLError("The simulator pages forward alone: use first and after", "BAD_REQUEST")
    if first is None:
        raise GraphQLError("you must provide one of first or last", "BAD_REQUEST")
    if not isinstance(first, int) or not 0 < first <= MOST:
        message = f"first cannot exceed {MOST} and must be positive, {first!r} was given"
        raise GraphQLError(message, "BAD_REQUEST")
    return first


def connection(nodes: Sequence[dict[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of a list that does not move under the reader; nodes are known by their id."""
    start = 0
    if arguments.get("after") is not None:
        last = cursor_of(arguments["after"]).get("last_id")
        places = [place for place, node in enumerate(nodes) if node["id"] == last]
        if not places:
            raise GraphQLError(WRONG_CURSOR, "BAD_REQUEST")
        start = places[0] + 1
    page = nodes[start : start + page_size(arguments)]
    cursors = [packed({"last_id": node["id"]}) for node in page]
    return told(page, cursors, more=start + len(page) < len(nodes), before=start > 0)


def told(
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
    """Return what a cursor says; GraphQLError for what is none."""
    try:
        return unpacked(str(text))
    except ValueError:
        raise GraphQLError(WRONG_CURSOR, "BAD_REQUEST") from None

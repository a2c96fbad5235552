"""The shape of a JSON value, to compare documented with real output."""

from typing import Any


def shape(value: Any) -> Any:
    """*value* with nothing but its keys; of a list just the first element."""
    if isinstance(value, dict):
        return {key: shape(below) for key, below in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None

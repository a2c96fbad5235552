"""Names of customers, as platforms split them."""

from __future__ import annotations


def split_name(name: str | None) -> tuple[str, str]:
    """Split a name at its last blank into first and last name."""
    first, _, last = (name or "").rpartition(" ")
    return first, last

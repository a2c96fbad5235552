"""Recorded shops, and what the kinds of their values are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

needs_recordings = pytest.mark.skipif(
    "ORDERPULL_TEST_DATA" not in os.environ,
    reason="ORDERPULL_TEST_DATA does not name a folder with shops recorded from servers",
)


def recording(shop: str, name: str) -> Any:
    """The JSON of a recorded file."""
    folder = Path(os.environ["ORDERPULL_TEST_DATA"]) / "shops" / shop
    return json.loads((folder / name).read_text("utf-8"))


def kinds(value: Any) -> Any:
    """The keys and the kinds of values, at any depth; of a list, those of its first element."""
    if isinstance(value, dict):
        return {name: kinds(one) for name, one in value.items()}
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__

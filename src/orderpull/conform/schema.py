"""The JSON Schema of API files, for editors: generated from their structs."""

import inspect
import re
from typing import Any

import msgspec

from orderpull.sources.spec import blocks, order
from orderpull.sources.spec.api import Api

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PARAM = re.compile(r"^:param ([\w, ]+): (.*?)(?=^:param |\Z)", re.MULTILINE | re.DOTALL)


def api_schema() -> dict[str, Any]:
    """Return the schema of an API's ``.toml``, with the docstring of each key."""
    (root,), parts = msgspec.json.schema_components([Api], ref_template="#/$defs/{name}")
    for struct in (Api, *vars(blocks).values(), *vars(order).values()):
        if isinstance(struct, type) and struct.__name__ in parts:
            _describe(parts[struct.__name__], struct)
    return {"$schema": DIALECT, "title": "An orders API of orderpull", **root, "$defs": parts}


def _describe(part: dict[str, Any], struct: type) -> None:
    text = inspect.getdoc(struct) or ""
    part["description"] = _plain(text.partition("\n\n:param")[0])
    for match in _PARAM.finditer(text):
        for name in match[1].split(","):
            if (key := part["properties"].get(name.strip())) is not None:
                key["description"] = _plain(match[2])


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())

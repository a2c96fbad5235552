"""The JSON Schema of API files, for editors: generated from their structs."""

import inspect
import re
from typing import Any

import msgspec
from msgspec import Struct

from orderpull.sources.spec import blocks, order
from orderpull.sources.spec.api import Api

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_PARAM = re.compile(r"^:param ([\w, ]+): (.*?)(?=^:param |\Z)", re.MULTILINE | re.DOTALL)


def api_schema() -> dict[str, Any]:
    """Return the schema of an API's ``.toml``, with the docstring of each key."""
    (root,), parts = msgspec.json.schema_components([Api], ref_template="#/$defs/{name}")
    structs: list[type[Struct]] = [Api, *_structs(blocks), *_structs(order)]
    for struct in structs:
        if struct.__name__ in parts:
            _describe(parts[struct.__name__], struct)
    return {"$schema": DIALECT, "title": "An orders API of orderpull", **root, "$defs": parts}


def _structs(module: Any) -> list[type[Struct]]:  # noqa: ANN401 - a module
    structs: list[type[Struct]] = []
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Struct) and value is not Struct:
            structs.append(value)  # noqa: PERF401 - so that its type is known
    return structs


def _describe(part: dict[str, Any], struct: type[Struct]) -> None:
    text = inspect.getdoc(struct) or ""
    part["description"] = _plain(text.partition("\n\n:param")[0])
    for match in _PARAM.finditer(text):
        for name in match[1].split(","):
            if (key := part["properties"].get(name.strip())) is not None:
                key["description"] = _plain(match[2])


def _plain(text: str) -> str:
    return " ".join(text.replace("``", "`").split())

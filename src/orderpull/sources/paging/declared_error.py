"""Errors that a response declares in its body, by the ``[[errors]]`` blocks of the API file."""

from orderpull.sources.paging.json_extract import Extracted
from orderpull.sources.spec.blocks import ErrorSpec
from orderpull.sources.spec.order import parse_values_path


class ErrorReader:
    """Finds the first block that matches a response.

    :ivar paths: paths of the values to extract from the response.
    """

    def __init__(self, blocks: list[ErrorSpec]) -> None:
        self._blocks = blocks
        every = [path for block in blocks for path in (block.path, block.message, block.place)
                 if path]  # fmt: skip
        self._lists = {path: parse_values_path(path) for path in every}
        self.paths = [outer for outer, _ in self._lists.values()]

    def read(self, page: Extracted) -> tuple[ErrorSpec | None, str]:
        """The block that *page* matches, and the API's message."""
        for block in self._blocks:
            values = self._values(page, block.path)
            matching = [value for value in values if _matches(value, block.values)]
            if matching and (block.means != "partial" or self._is_partial(page, block, matching)):
                message = self._values(page, block.message) if block.message else []
                texts = [each for each in (*message, *matching) if isinstance(each, str)]
                return block, texts[0] if texts else ""
        return None, ""

    def _is_partial(self, page: Extracted, block: ErrorSpec, matching: list[object]) -> bool:
        """True if all errors of *page* are *matching* ones, about the fields of *block*."""
        errors = page.get(self._lists[block.path][0])
        places = self._values(page, block.place or block.path)
        about = [
            each
            for each in places
            if isinstance(each, list) and set(block.fields) & set(map(str, each))
        ]
        return isinstance(errors, list) and len(errors) == len(matching) == len(about)

    def _values(self, page: Extracted, path: str) -> list[object]:
        """The values at *path*: of each element, if it is the path of a list."""
        outer, inner = self._lists[path]
        value = page.get(outer)
        if inner is None:
            return [] if value is None else [value]
        values = list(value) if isinstance(value, list) else []
        for key in inner:
            values = [each.get(key) if isinstance(each, dict) else None for each in values]
        return [value for value in values if value is not None]


def _matches(value: object, patterns: list[str]) -> bool:
    """True if *value* is one of *patterns*; one that ends with ``*`` is a beginning."""
    text = str(value)
    return not patterns or any(
        text.startswith(each[:-1]) if each.endswith("*") else text == each for each in patterns
    )

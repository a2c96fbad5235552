"""CSV cells that a spreadsheet reads as text."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def escape_formula(value: object) -> object:
    """*value*, with ``'`` before a text that a spreadsheet would compute as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return "'" + value
    return value

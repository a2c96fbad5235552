"""Building of XML with reproducible bytes."""

import uuid
from collections.abc import Iterable
from hashlib import sha256
from xml.etree import ElementTree as ET

USER = "http://www.tableausoftware.com/xml/user"
"""Namespace of attributes for Tableau's user interface, such as ``user:ui-marker``."""

_SPACE = uuid.UUID("6d9f9a0e-3f0e-5a52-9a0b-5f1c4b6f2d11")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

ET.register_namespace("user", USER)


def element(
    tag: str, /, *children: ET.Element | Iterable[ET.Element], **attributes: str
) -> ET.Element:
    """Return an element with attributes and children.

    :param attributes: in their names ``_`` becomes ``-``, ``user__`` the namespace, and a trailing
        ``_`` is dropped.
    """
    result = ET.Element(tag, {_attribute(name): value for name, value in attributes.items()})
    for child in children:
        result.extend([child] if isinstance(child, ET.Element) else child)
    return result


def text(tag: str, content: str, /, **attributes: str) -> ET.Element:
    """Return an element with a text."""
    result = element(tag, **attributes)
    result.text = content
    return result


def style_format(attr: str, value: str) -> ET.Element:
    """Return a ``<format>`` of a style rule."""
    return element("format", attr=attr, value=value)


def _attribute(name: str) -> str:
    space, separator, local = name.rpartition("user__")
    plain = (local if separator else name).rstrip("_").replace("_", "-")
    return f"{{{USER}}}{plain}" if separator and not space else plain


def document(root: ET.Element, tight: str = "") -> bytes:
    """Return *root* as a UTF-8 file, indented by two spaces.

    :param tight: tag without indentation inside, because its spaces would be visible.
    """
    ET.indent(root, "  ")
    for each in root.iter(tight) if tight else ():
        each.text = each.text if len(each) == 0 else None
        for part in each:
            part.tail = None
    body = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return f"<?xml version='1.0' encoding='utf-8' ?>\n{body}\n".encode()


def stable_code(*parts: str) -> str:
    """Return 28 letters and digits that depend on *parts*, in the form of Tableau's names."""
    number = int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:18])
    letters = ""
    for _ in range(28):
        number, digit = divmod(number, 36)
        letters += _DIGITS[digit]
    return letters


def stable_uuid(*parts: str) -> str:
    """Return a UUID that depends on *parts*, in Tableau's form."""
    return f"{{{uuid.uuid5(_SPACE, chr(31).join(parts))}}}".upper()

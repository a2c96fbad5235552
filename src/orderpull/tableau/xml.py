"""XML, the same bytes for the same content."""

import uuid
from collections.abc import Iterable
from hashlib import sha256
from xml.etree import ElementTree as ET

USER = "http://www.tableausoftware.com/xml/user"
"""The namespace of what Tableau's windows keep for themselves: ``user:ui-marker``."""

_SPACE = uuid.UUID("6d9f9a0e-3f0e-5a52-9a0b-5f1c4b6f2d11")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"

ET.register_namespace("user", USER)


def element(tag: str, /, *children: ET.Element | Iterable[ET.Element], **words: str) -> ET.Element:
    """An element with attributes and children.

    :param words: its attributes; ``_`` stands for ``-``, ``user__`` for the namespace, and a
        trailing ``_`` is dropped.
    """
    made = ET.Element(tag, {_attribute(name): value for name, value in words.items()})
    for child in children:
        made.extend([child] if isinstance(child, ET.Element) else child)
    return made


def text(tag: str, content: str, /, **words: str) -> ET.Element:
    """An element that holds a text."""
    made = element(tag, **words)
    made.text = content
    return made


def _attribute(name: str) -> str:
    space, separator, local = name.rpartition("user__")
    plain = (local if separator else name).rstrip("_").replace("_", "-")
    return f"{{{USER}}}{plain}" if separator and not space else plain


def document(root: ET.Element, tight: str = "") -> bytes:
    """*root* as a file in UTF-8, two blanks for each level.

    :param tight: the tag within which nothing is indented, since blanks would be seen.
    """
    ET.indent(root, "  ")
    for each in root.iter(tight) if tight else ():
        each.text = each.text if len(each) == 0 else None
        for part in each:
            part.tail = None
    body = ET.tostring(root, encoding="unicode", short_empty_elements=True)
    return f"<?xml version='1.0' encoding='utf-8' ?>\n{body}\n".encode()


def code(*parts: str) -> str:
    """28 letters and digits that are always the same for *parts*, as Tableau names connections."""
    number = int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:18])
    letters = ""
    for _ in range(28):
        number, digit = divmod(number, 36)
        letters += _DIGITS[digit]
    return letters


def identity(*parts: str) -> str:
    """A UUID that is always the same for *parts*, as Tableau writes one."""
    return f"{{{uuid.uuid5(_SPACE, chr(31).join(parts))}}}".upper()

"""Workbooks that tests make, and Tableau's own schemas for them."""

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from lxml import etree

from orderpull.tableau.connection import EXTRACT, PLACEHOLDER, LiveConnection
from orderpull.tableau.workbook import Target, workbook

DATA = os.environ.get("ORDERPULL_TEST_DATA")
needs_schemas = pytest.mark.skipif(
    DATA is None or not (Path(DATA) / "tableau").is_dir(),
    reason="Tableau's schemas are not here (ORDERPULL_TEST_DATA/tableau/twb_*.xsd)",
)
needs_engine = pytest.mark.skipif(
    find_spec("tableauhyperapi") is None,
    reason="Tableau makes its engine for no machine like this one (tableauhyperapi)",
)
SCHEMAS = ("2026.1", "2026.2")
TARGETS: tuple[Target, ...] = ("18.1", "2026.1")
POSTGRES = LiveConnection("postgres", "db.example.com", 5433, "shop", "analyst", schema="sales")
PACKAGED = frozenset({EXTRACT})

# Tableau's schemas import two namespaces without saying from where.
_STUBS = {
    "http://www.tableausoftware.com/xml/user": (
        '<xs:attributeGroup name="UserAttributes-AG">'
        '<xs:anyAttribute processContents="skip" namespace="##targetNamespace"/>'
        "</xs:attributeGroup>"
    ),
    "http://www.w3.org/XML/1998/namespace": '<xs:attribute name="base" type="xs:anyURI"/>',
}

PLACES: dict[str, tuple[LiveConnection | None, bool]] = {
    "redshift": (PLACEHOLDER, False),
    "postgres": (POSTGRES, False),
    "redshift with extract": (PLACEHOLDER, True),
    "extract": (None, True),
}
"""Each place that a workbook's data may lie in, and whether an extract comes along."""


def book(place: str, target: Target = "18.1") -> bytes:
    """The workbook for one of ``PLACES``."""
    live, extract = PLACES[place]
    return workbook(live, extract=extract, target=target)


def beside(place: str) -> frozenset[str] | None:
    """What lies beside it in its package."""
    return PACKAGED if PLACES[place][1] else None


def root(place: str = "redshift", target: Target = "18.1") -> ET.Element:
    """Its XML, with one alias of a country for all."""
    return ET.fromstring(_short(place, target))


@cache
def _short(place: str, target: Target) -> bytes:
    tree = ET.fromstring(book(place, target))
    for aliases in tree.iter("aliases"):
        for alias in aliases[1:]:
            aliases.remove(alias)
    return ET.tostring(tree)


@cache
def schema(version: str) -> etree.XMLSchema:
    """Tableau's schema of *version*, with what it imports."""
    assert DATA is not None
    text = (Path(DATA) / "tableau" / f"twb_{version}.0.xsd").read_text("utf-8")
    with TemporaryDirectory() as folder:
        for number, (namespace, body) in enumerate(_STUBS.items()):
            (Path(folder) / f"{number}.xsd").write_text(
                '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" '
                f'targetNamespace="{namespace}">{body}</xs:schema>'
            )
            before = f'<xs:import namespace="{namespace}"'
            assert before in text
            text = text.replace(before, f'{before} schemaLocation="{number}.xsd"')
        file = Path(folder) / "twb.xsd"
        file.write_text(text, encoding="utf-8")
        return etree.XMLSchema(etree.parse(str(file)))


def faults(version: str, text: bytes) -> list[str]:
    """What the schema says against *text*."""
    against = schema(version)
    against.validate(etree.fromstring(text))
    found: Any = against.error_log  # its types do not say that it can be gone through
    return [str(error.message) for error in found]

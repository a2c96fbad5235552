"""A reader of XLSX files, from the XML in them: values as a spreadsheet shows them."""

import re
import zipfile
from datetime import date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ZERO = datetime(1899, 12, 30)


class Sheet:
    """A sheet. :ivar rows: its cells; None where a cell is empty. :ivar xml: its text."""

    def __init__(self, name: str, xml: str, formats: list[str]) -> None:
        self.name, self.xml = name, xml
        root = ET.fromstring(xml)
        self.rows = [
            {_column(cell.attrib["r"]): _value(cell, formats) for cell in row}
            for row in root.iter(f"{_MAIN}row")
        ]
        width = max(max(row, default=-1) for row in self.rows) + 1
        self.cells = [[row.get(column) for column in range(width)] for row in self.rows]
        pane = root.find(f".//{_MAIN}pane")
        self.frozen = pane.attrib.get("topLeftCell") if pane is not None else None
        self.widths = [float(each.attrib["width"]) for each in root.iter(f"{_MAIN}col")]

    def records(self) -> list[dict[str, Any]]:
        """The rows below the header, by its names."""
        head, *rest = self.cells
        return [dict(zip(map(str, head), row, strict=True)) for row in rest]


def sheets(data: bytes | Path) -> list[Sheet]:
    """Read the sheets of a workbook."""
    with zipfile.ZipFile(BytesIO(data) if isinstance(data, bytes) else data) as file:
        book = ET.fromstring(file.read("xl/workbook.xml"))
        styles = ET.fromstring(file.read("xl/styles.xml"))
        codes = {
            each.attrib["numFmtId"]: each.attrib["formatCode"]
            for each in styles.iter(f"{_MAIN}numFmt")
        }
        cells = styles.find(f"{_MAIN}cellXfs")
        assert cells is not None
        formats = [codes.get(each.attrib["numFmtId"], "") for each in cells]
        names = [each.attrib["name"] for each in book.iter(f"{_MAIN}sheet")]
        return [
            Sheet(name, file.read(f"xl/worksheets/sheet{number}.xml").decode(), formats)
            for number, name in enumerate(names, start=1)
        ]


def _column(place: str) -> int:
    number = 0
    for letter in re.sub(r"\d", "", place):
        number = number * 26 + ord(letter) - 64
    return number - 1


def _value(cell: ET.Element, formats: list[str]) -> Any:
    kind = cell.attrib.get("t", "n")
    if kind == "inlineStr":
        text = "".join(each.text or "" for each in cell.iter(f"{_MAIN}t"))
        return re.sub(r"_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text)
    number = cell.findtext(f"{_MAIN}v") or ""
    if kind == "b":
        return number == "1"
    assert kind == "n"
    form = formats[int(cell.attrib.get("s", 0))]
    if "yyyy" in form:
        time = _ZERO + timedelta(seconds=round(float(number) * 86400))
        return time if "hh" in form else time.date()
    value = float(number)
    return int(value) if value.is_integer() and "." not in form else value


def plain(value: object) -> Any:
    """*value* of a warehouse, as a workbook has it: times to the second, decimals as numbers."""
    if isinstance(value, datetime):
        return value.replace(microsecond=0)
    if isinstance(value, date | str | bool | int | None):
        return value
    return float(str(value))

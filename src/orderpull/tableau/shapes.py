"""Elements of a workbook's description: pills, texts, sheets, zones and the dashboard."""

from dataclasses import dataclass
from typing import Literal

Derivation = Literal["none", "sum", "min", "usr"]
Kind = Literal["nk", "ok", "qk"]


@dataclass(frozen=True, slots=True)
class Pill:
    """A field as a sheet uses it.

    :param field: name of the field.
    :param derivation: aggregation; usr for a field with its own aggregation.
    :param kind: nk: nominal; ok: ordinal; qk: quantitative.
    :param along: for a table calculation the field to compute along; it restarts for each value of
        the other fields.
    """

    field: str
    derivation: Derivation
    kind: Kind
    along: str = ""

    @property
    def name(self) -> str:
        """Name of the pill in a sheet, without brackets."""
        return f"{self.derivation}:{self.field}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text, or the value of a field, in one style. :param size: font size in points."""

    content: str | Pill
    size: int = 9
    color: str = "#595959"
    bold: bool = False


Text = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet.

    :param filtered_by: dimension of the sheet's filter.
    :param label: pills of the labels of marks.
    :param rows: pills of the rows, from left to right.
    :param columns: measures of the bars.
    :param detail: further pills used in texts.
    :param rank: rank to filter by.
    :param top: last rank that is shown.
    :param sorted_by: dimension to sort, and the measure to sort it by, largest first.
    :param alphabetic: dimension sorted by its own text.
    :param scrolls: True to scroll rows of fixed height; False to fit them into the zone.
    """

    name: str
    title: Text
    mark: Literal["Text", "Bar"]
    color: str
    filtered_by: Pill
    label: tuple[Pill, ...]
    label_text: Text
    tooltip: Text = ()
    rows: tuple[Pill, ...] = ()
    columns: tuple[Pill, ...] = ()
    detail: tuple[Pill, ...] = ()
    rank: Pill | None = None
    top: int = 0
    sorted_by: tuple[Pill, Pill] | None = None
    alphabetic: Pill | None = None
    scrolls: bool = False

    @property
    def pills(self) -> tuple[Pill, ...]:
        """All pills of the sheet and of its filters, each once."""
        pills = [*self.rows, *self.columns, *self.label, *self.detail, self.filtered_by]
        pills += [self.rank] if self.rank else []
        pills += self.sorted_by or ()
        return tuple(dict.fromkeys(pills))


@dataclass(frozen=True, slots=True)
class Zone:
    """A rectangle of the dashboard, in pixels from its upper left corner.

    :param shows: name of a sheet, ``country filter``, or a text.
    """

    shows: str | Text
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A dashboard. :param clicked: sheet on which a click filters all sheets by country."""

    name: str
    width: int
    height: int
    clicked: Sheet
    zones: tuple[Zone, ...]

"""What a workbook is made of: pills, texts, sheets, places, a dashboard."""

from dataclasses import dataclass
from typing import Literal

Derivation = Literal["none", "sum", "min", "usr"]
Kind = Literal["nk", "ok", "qk"]


@dataclass(frozen=True, slots=True)
class Pill:
    """A field as a sheet uses it.

    :param field: the field's name. :param derivation: how it is aggregated; usr: it is by itself.
    :param kind: nk: nominal; ok: ordinal; qk: quantitative.
    :param along: a table calculation's field along which it runs; it starts anew in all others.
    """

    field: str
    derivation: Derivation
    kind: Kind
    along: str = ""

    @property
    def name(self) -> str:
        """The pill's name in a sheet, without brackets."""
        return f"{self.derivation}:{self.field}:{self.kind}"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text, or a field's value, in one style. :param size: in points."""

    content: str | Pill
    size: int = 9
    color: str = "#595959"
    bold: bool = False


Text = tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A worksheet.

    :param title: what stands above it.
    :param rows: what its rows show, from left to right. :param columns: what its bars measure.
    :param label: what a mark is labelled with. :param detail: what else its texts tell.
    :param tooltip: what is told of a mark under the pointer.
    :param chosen_by: the dimension by which a person chooses what it shows.
    :param rank: the rank that is filtered by. :param top: up to which rank rows are shown.
    :param sorted_by: the dimension that is sorted, and the measure, largest first.
    :param alphabetic: the dimension that is sorted by its own text.
    :param scrolls: whether it keeps its rows' height and scrolls; else it fills its place.
    """

    name: str
    title: Text
    mark: Literal["Text", "Bar"]
    color: str
    chosen_by: Pill
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
        """Every pill that the sheet uses, each once, with those that it is filtered by."""
        named = [*self.rows, *self.columns, *self.label, *self.detail, self.chosen_by]
        named += [self.rank] if self.rank else []
        named += self.sorted_by or ()
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True, slots=True)
class Zone:
    """A place on the dashboard, in pixels from its upper left corner.

    :param shows: a sheet's name, the words ``country filter``, or a text.
    """

    shows: str | Text
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The dashboard. :param clicked: the sheet on which a click filters all by country."""

    name: str
    width: int
    height: int
    clicked: Sheet
    zones: tuple[Zone, ...]

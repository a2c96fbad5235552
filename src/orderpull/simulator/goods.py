"""The goods of the simulated shop: SKUs, plain and odd, their quantities, and weighted draws."""
# ruff: noqa: RUF001 - look-alike letters are the point of some SKUs

import json
import random
import zlib
from bisect import bisect
from collections.abc import Callable, Iterable
from functools import cache
from itertools import accumulate, product
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class Weighted(Generic[Item]):
    """Items with weights; the weights need not add up to anything."""

    def __init__(self, pairs: Iterable[tuple[Item, float]]) -> None:
        """Take (item, weight) pairs; at least one weight must be positive."""
        listed = list(pairs)
        self._items = [item for item, _ in listed]
        self._cumulative = list(accumulate(weight for _, weight in listed))
        self._total = self._cumulative[-1]

    def at(self, point: float) -> Item:
        """Return the item at `point`, a number from 0 (included) to 1 (excluded)."""
        return self._items[bisect(self._cumulative, point * self._total)]


ARTICLES = ("TEE", "SOCK", "MUG", "CAP", "HOOD", "BAG", "POSTER", "PEN", "LAMP", "BOOK")
COLOURS = ("BLK", "WHT", "RED", "BLU", "GRN", "YEL")
SIZES = ("XS", "S", "M", "L", "XL")

ODD_SKUS = (
    "abc-1", "ABC-1", "Abc-1",  # differ in case only
    "TRAIL", "TRAIL ", " TRAIL", "TRAIL\u00a0",  # differ in blanks only
    "00123", "123", "1E5", "1e5", "0", "-0", "3", "13", "23",  # look like numbers
    "NULL", "null", "None", "NaN", "true", "undefined",  # look like keywords
    "Caf\u00e9-1", "Cafe\u0301-1",  # one word, composed and decomposed
    "ÉTUI-α", "茶-250g", "コーヒー豆", "김치-1kg", "قهوة-٢٥٠", "ספר-1", "чай-100",
    "STRASSE", "Straße", "İZMİR",
    "\U0001f9e6-SOCK", "\U0001f468\u200d\U0001f469-SET",  # outside the basic plane, joined
    "A&amp;B", "A&B", "<b>bold</b>", "5&quot; nail",
    'quo"te', "back\\slash", "tab\there", "new\nline", "line\u2028separator", "NUL\u0000SKU",
    "'; DROP TABLE order_item;--", "=1+1", "1,5", "a;b|c", "{0}%s", "../etc",
    "LONG-" + "x" * 250,
)  # fmt: skip
NUMBER_SKUS = (4711, 8800123)
"""SKUs written as JSON numbers; they mean their digits."""

ARTICLE_TITLES = dict(
    zip(
        ARTICLES,
        (
            "Heavy T-Shirt",
            "Merino Socks, pair",
            "Stoneware Mug 350 ml",
            "Cord Cap",
            "Zip Hoodie",
            "Canvas Bag",
            "Poster “Harbour”",
            "Brass Pen",
            "Café Lamp Nº 2",
            "Notebook A5, dotted",
        ),
        strict=True,
    )
)
COLOUR_TITLES = dict(
    zip(COLOURS, ("Black", "White", "Red", "Blue", "Green", "Yellow"), strict=True)
)
OTHER_TITLES = (
    "Coffee Beans 250 g", "Gift Card", "Étui für Brille", "Teekanne aus Gusseisen", "茶缶 100g",
    "Brace & Bit <set>", "Mom's \"best\" Apron", "Bücherstütze",
    "شاي أخضر", "🧦 Surprise Box",
)  # fmt: skip


def title_of(sku: str | None) -> str | None:
    """Return the title of a product, with its variant after " - " if it has any.

    A line without SKU has one, too; that of `LONG-…` is longer than any column. A SKU without a
    title: None.
    """
    if sku is None:
        return "Custom item"
    article, _, variant = sku.partition("-")
    colour, _, size = variant.partition("-")
    if article in ARTICLE_TITLES and colour in COLOUR_TITLES and size:
        return f"{ARTICLE_TITLES[article]} - {COLOUR_TITLES[colour]} / {size}"
    if article == "LONG" and len(sku) > 200:
        return "Very long title ◦ " * 20
    return OTHER_TITLES[zlib.crc32(sku.encode("utf-8", "replace")) % len(OTHER_TITLES)]


PER_MILLE_WITHOUT_SKU = 12.0
ZIPF_EXPONENT = 1.07


class Written(NamedTuple):
    """A SKU (None: a line without SKU) and its JSON member, comma included."""

    sku: str | None
    member: str


class Quantity(NamedTuple):
    """Pieces meant, and how the number is written in JSON."""

    pieces: int
    text: str


json_text: Callable[[str], str] = json.JSONEncoder(ensure_ascii=False).encode
"""Return a text as a JSON string, with every letter beyond ASCII left as it is."""


@cache
def sku_catalogue(seed: int, *, plain_first: bool = False) -> Weighted[Written]:
    """Return SKUs with Zipf-like weights drawn from `seed`, and lines without SKU.

    With `plain_first` the odd SKUs are those that sell least.
    """
    plain = dict.fromkeys("-".join(parts) for parts in product(ARTICLES, COLOURS, SIZES))
    named = [Written(sku, f'"sku":{json_text(sku)},') for sku in (*plain, *ODD_SKUS)]
    named += [Written(str(sku), f'"sku":{sku},') for sku in NUMBER_SKUS]
    random.Random(f"{seed}/catalogue").shuffle(named)
    if plain_first:
        named.sort(key=lambda written: written.sku not in plain)
    ranked = [(written, (rank + 2) ** -ZIPF_EXPONENT) for rank, written in enumerate(named)]
    nameless = [
        Written(None, '"sku":null,'),
        Written(None, ""),
        Written("", '"sku":"",'),
        Written("  ", '"sku":"  ",'),
    ]
    share = sum(weight for _, weight in ranked) * PER_MILLE_WITHOUT_SKU / 1000 / len(nameless)
    return Weighted(ranked + [(written, share) for written in nameless])


@cache
def quantities() -> Weighted[Quantity]:
    """Return what people buy at once: mostly 1 to 3, a tail to 1,000, seldom 0.

    Some are written as text or as 3.0.
    """
    usual = {
        1: 640,
        2: 190,
        3: 80,
        4: 30,
        5: 20,
        6: 15,
        10: 8,
        12: 6,
        24: 3,
        48: 1.5,
        144: 0.6,
        1000: 0.2,
        0: 2,
    }
    table: list[tuple[Quantity, float]] = []
    for pieces, weight in usual.items():
        forms = {
            f"{pieces}": 0.96,
            f'"{pieces}"': 0.02,
            f"{pieces}.0": 0.01,
            f'"{pieces}.0"': 0.005,
            f'" {pieces} "': 0.005,
        }
        table += [(Quantity(pieces, text), weight * share) for text, share in forms.items()]
    return Weighted(table)

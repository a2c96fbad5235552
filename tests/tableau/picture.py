"""The picture in docs/tableau.md: the dashboard over the shop of the docs' pictures.

``python -m tests.tableau.picture`` draws it anew.
"""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orderpull.tableau.preview import draw, read
from tests.docs import pictured
from tests.web.shop import fill, settings_in

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "tableau.svg"
NAMES = {
    "TEE": "T-shirt", "HOOD": "Hoodie", "CAP": "Cap", "MUG": "Mug", "SOCKS": "Socks",
    "BAG": "Bag", "BOOK": "Notebook",
    "BLK": "black", "WHT": "white", "NVY": "navy", "GRN": "green",
}  # fmt: skip
"""Words of the products' titles, by the parts of their SKUs."""
THEN = datetime(2026, 1, 31, 9, 30)


def picture() -> bytes:
    """The picture."""
    with TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), pictured.SOURCES)
        rows = pictured.rows(THEN, 2000)
        for row in rows["order_item"]:
            row["title"] = " ".join(NAMES.get(part, part) for part in row["sku"].split("-"))
        fill(settings, rows)
        return draw(read(settings))


if __name__ == "__main__":
    PICTURE.write_bytes(picture())

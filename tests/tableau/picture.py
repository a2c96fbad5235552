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
THEN = datetime(2026, 1, 31, 9, 30)


def picture() -> bytes:
    """The picture."""
    with TemporaryDirectory() as folder:
        settings = settings_in(Path(folder), pictured.SOURCES)
        fill(settings, pictured.rows(THEN, 2000))
        return draw(read(settings))


if __name__ == "__main__":
    PICTURE.write_bytes(picture())

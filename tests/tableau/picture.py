"""The picture in docs/tableau.md: the dashboard over a simulated shop, always the same one.

``python -m tests.tableau.picture`` draws it anew.
"""

from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from orderpull import run
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.tableau.description import AVERAGE_SHEET, LOADED
from orderpull.tableau.preview import draw, read
from tests.shops import shop_settings

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "tableau.svg"
THEN = datetime(2026, 1, 31, 9, 30)


def picture() -> bytes:
    """The picture."""
    shop = SkubanaAssessment(orders=2000, seed=1)
    with TemporaryDirectory() as folder, Simulator(shop) as simulator:
        settings = shop_settings(Path(folder), simulator.url)
        run(settings)
        rows = read(settings)
    (average,) = rows[AVERAGE_SHEET]
    return draw(rows | {AVERAGE_SHEET: [average | {LOADED: THEN}]})


if __name__ == "__main__":
    PICTURE.write_bytes(picture())

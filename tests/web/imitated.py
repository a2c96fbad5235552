"""Large shops to look at: ``python -m tests.web.imitated FOLDER``, then ``orderpull serve`` there.

``year`` has 24,000 orders in 430 days and 40 countries, in three currencies and four channels, with
titles, returns and customers. ``odd`` has 20,000 orders in 312 countries,
and SKUs in right-to-left script, with emoji, and of 240 characters.
"""

import re
import sys
from datetime import timedelta
from pathlib import Path

from orderpull import clock
from tests.web.shop import fill, finished_run, settings_in

CODES = re.findall(
    "..", "DEUSFRGBATCHNLBEITESSEDKPLCZNOFIIEPTCAAUJPBRMXINKRNZZATRGRHUROBGHRSISKLTLVEELUIS"
)
SEED = 17
REJECTS = 20
"""One in a thousand of the orders, as in shops of some years."""


MONEY = (
    """UPDATE order_item SET title = replace(replace(sku, '-', ' no. '), 'PEN', 'Fountain pen'),
        returned = CASE WHEN hash(ordernumber || sku) % 19 = 0 THEN 1 ELSE 0 END,
        amount = quantity * (4.9 + length(sku) * 3 + hash(sku) % 40)""",
    """UPDATE order_header h SET
        currency = CASE a.country WHEN 'US' THEN 'USD' WHEN 'GB' THEN 'GBP' ELSE 'EUR' END,
        channel = [NULL, 'amazon', 'web', 'web', 'ebay'][1 + (hash(h.ordernumber) % 5)::INT],
        customer = md5((hash(h.ordernumber) % 15000)::TEXT),
        shipping = 4.9, tax = round(i.amount * 0.19 / 1.19, 2), discount = 0, refunded = 0,
        total = i.amount + 4.9
        FROM order_address a, (SELECT ordernumber, sum(amount) AS amount FROM order_item GROUP BY 1) i
        WHERE a.ordernumber = h.ordernumber AND i.ordernumber = h.ordernumber""",
)
"""SQL that gives the orders amounts, titles, returns, channels and customers."""


def statements(orders: int, days: int, countries: list[str], skus: list[str]) -> list[str]:
    """SQL that writes seeded *orders* of the last *days*, more of them lately and before noon."""
    chance = "(hash({} * 1000003 + o) % 1000003) / 1000003.0"
    first, second, third = (chance.format(SEED + n) for n in range(3))
    lists = ", ".join(
        "[" + ", ".join("'" + text.replace("'", "''") + "'" for text in texts) + "]"
        for texts in (countries, skus)
    )
    seconds = f"{days} * 86400 * pow({first}, 1.2)"
    return [
        f"""CREATE TEMP TABLE drawn AS SELECT 'N' || lpad(o::TEXT, 7, '0') AS number,
            date_trunc('second', now()::TIMESTAMP - to_seconds({seconds})) AS placed,
            c[1 + floor(pow({second}, 3) * len(c))::INT] AS country, s, o
            FROM range({orders}) t(o), (SELECT {lists}) lists(c, s)""",
        """INSERT INTO order_header (ordernumber, source, order_id, counted, ordered_at)
            SELECT number, 'shop', number, TRUE, placed FROM drawn""",
        """INSERT INTO order_address (ordernumber, source, country)
            SELECT number, 'shop', country FROM drawn""",
        f"""INSERT INTO order_item (ordernumber, source, sku, quantity)
            SELECT number, 'shop', s[1 + floor(pow({third}, 2 + line) * len(s))::INT] AS sku,
            sum(1 + hash(o + line) % 3) FROM drawn, range(1 + (o % 2)) lines(line)
            GROUP BY number, sku""",
        f"""INSERT INTO orderpull_reject (source, ordernumber, reason, path, page, position, run,
            rejected_at, reject_key) SELECT 'shop', 'R' || n,
            ['number_missing', 'quantity_invalid', 'time_invalid'][1 + n % 3],
            '$.orderItems[' || n || '].quantity', n, n % 5, 1, now()::TIMESTAMP, 'k' || n
            FROM range({REJECTS}) t(n)""",
    ]


def year(folder: Path) -> None:
    """Make the shop of 40 countries in *folder*."""
    skus = [f"{kind}-{n:03}" for n in range(60) for kind in ("PEN", "INK", "PAPER", "CASE")]
    _make(folder, 24_000, [*statements(24_000, 430, CODES, skus), *MONEY])


def odd(folder: Path) -> None:
    """Make the shop of 312 countries and odd SKUs in *folder*."""
    countries = [*CODES, *(f"Land {n:03}" for n in range(312 - len(CODES)))]
    skus = ["قميص أزرق كبير", "חולצה כחולה", "🚲 with 👩‍🚀", "L" * 240, "x-" * 120]
    _make(
        folder, 20_000, statements(20_000, 430, countries, [*skus, *(f"S-{n}" for n in range(400))])
    )


def _make(folder: Path, orders: int, sql: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    run = finished_run(fetched=orders + REJECTS, inserted=orders, rejected=REJECTS)
    run["pulled_at"] = clock.now() - timedelta(minutes=2)
    fill(settings_in(folder), {"orderpull_run": [run]}, sql)


if __name__ == "__main__":
    year(Path(sys.argv[1]) / "year")
    odd(Path(sys.argv[1]) / "odd")

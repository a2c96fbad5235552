"""API files for tests: one plain file, and others that differ from it in a place or two."""

from pathlib import Path

from orderpull.conform.target import MirrorTarget
from orderpull.sources.spec.reader import parse_api

PLAIN = """\
title = "Plain"

[request]
path = "/orders"
query = { sort = "changed" }

[auth]
kind = "bearer"

[paging]
kind = "page"
param = "page"
size_param = "limit"
size = 20
max_size = 50

[cursor]
path = "changed"
lower = "from"
upper = "to"
precision = "s"

[limits]
wait_header = "X-Wait"
wait_unit = "ms"

[records]
path = "orders"

[order]
id = "id"
number = "no"
where = "not(in(kind, 'cart'))"
counted = "not(in(state, 'cancelled'))"
status = "state"
modified_at = "changed"
total = "sum"

[order.address]
country = "to.country"
line1 = "to.street[0]"
line2 = "to.street[1]"
name = "join(' ', to.first, to.last)"

[order.lines]
path = "lines"
sku = "coalesce(article.code, code)"
quantity = "pieces"
"""


MONEY = """\
total = "minor(sum, '2')"
discount = "less('0', sum(offers[].amount))"
refunded = "sum(refunds[not(in(state, 'failed'))].paid)"
customer = "coalesce(buyer.id, buyer.email)"
"""
LINES = """\
title = "join(' - ', what, variant)"
amount = "less(times(price, pieces), off)"

[[order.also]]
path = "refunds[].lines[]"
when = "not(in(state, 'cancelled'))"
sku = "code"
where = "not(in(kind, 'gift'))"
quantity = "pieces"
returned = "pieces"
"""
RICH = PLAIN.replace('total = "sum"\n', MONEY) + LINES
"""The same with money, titles, returns and customers."""


def changed(*changes: tuple[str, str], text: str = PLAIN) -> str:
    """A file, with each first text replaced by the second."""
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the file"
        text = text.replace(old, new)
    return text


def target(folder: Path, file: str, server: str | None = None) -> MirrorTarget:
    """The mirror of *file*, or, asked by *file*, that of *server*."""
    path = folder / "api.toml"
    path.write_text(file, encoding="utf-8")
    return MirrorTarget(parse_api(server or file, "server"), str(path))

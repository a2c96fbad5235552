"""A folder with the settings of orderpull for shops of :mod:`bench.shop`."""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from bench.shop import TOKEN

SOURCE = """
[sources.{name}]
api = "sorted.toml"
base_url = "{url}"
token = "{token}"
start = "2000-01-01"
rate = 100000
"""


def write_settings(folder: Path, shops: Mapping[str, str], destination: str = "") -> None:
    """Write ``orderpull.toml`` into *folder* for the *shops*: addresses by name of the source.

    The API file is the built-in ``extensiv``, but the shop sorts by time of change, so each run is
    one pass from the cursor on (``reseek``, without windows); and the token is a fixed one.

    :param destination: URL of the warehouse, if it is not the file used by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    apis = resources.files("orderpull.sources") / "apis"
    text = (apis / "extensiv.toml").read_text("utf-8")
    text = re.sub(r"\[auth\.token\]\n(?:.+\n)+", "", text)
    text = re.sub(r"\[setup\]\n(?:.+\n)+", "", text)  # older versions do not know this block
    text = re.sub(r"window = .*\nstrategy = .*", 'strategy = "reseek"', text)
    (folder / "sorted.toml").write_text(text, "utf-8")
    blocks = [SOURCE.format(name=name, url=url, token=TOKEN) for name, url in shops.items()]
    into = f'[destination]\nurl = "{destination}"\n' if destination else ""
    (folder / "orderpull.toml").write_text(into + "".join(blocks), "utf-8")

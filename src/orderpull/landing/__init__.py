"""Keep: raw responses, durable before anything else happens to them."""

from pathlib import Path
from typing import TYPE_CHECKING

from orderpull.errors import SettingsError

if TYPE_CHECKING:
    from orderpull.landing.local import Landing


def open_landing(url: str, folder: Path) -> "Landing":
    """The landing at *url*: a folder, relative to *folder*.

    :raises SettingsError: *url* is of a kind that is not known.
    """
    from orderpull.landing.local import Landing

    scheme, separator, _ = url.partition("://")
    if separator:
        raise SettingsError(
            f"landing.url is {url!r}: {scheme} is not a landing that this orderpull knows.",
            "Give a folder.",
        )
    return Landing((folder / url).absolute())

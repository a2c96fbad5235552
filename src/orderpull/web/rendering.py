"""Templates, and what all of them are told."""

from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orderpull import __version__
from orderpull.web import periods
from orderpull.web.formats import country_name, visible, with_commands

HERE = Path(__file__).parent


class Renderer:
    """Makes pages of templates."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            version=__version__, periods=periods.PERIODS, steps=periods.STEPS
        )
        self._environment.filters.update(sku=visible, country=country_name, command=with_commands)

    def page(
        self,
        request: Request,
        template: str,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **words: Any,  # noqa: ANN401 - what templates name
    ) -> HTMLResponse:
        """*template* with *words*, and with who asks for it."""
        found = self._environment.get_template(template)
        asked = {"path": request.url.path, "visitor": request.scope.get("visitor")}
        return HTMLResponse(found.render(**asked, status=status, **words), status, headers)


def until(instant: datetime, now: datetime) -> str:
    """How long from *now* until *instant*, in words."""
    seconds = (instant - now).total_seconds()
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            count = round(seconds / length)
            return f"in {count} {unit}{'s' if count > 1 else ''}"
    return "in less than a minute"

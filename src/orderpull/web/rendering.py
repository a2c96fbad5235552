"""Templates, and the values that all of them get."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from orderpull import __version__
from orderpull.web import periods
from orderpull.web.formats import country_name, visible, with_commands

WEB_FOLDER = Path(__file__).parent


class Renderer:
    """Renders templates to HTML responses."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(WEB_FOLDER / "templates"),
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
        **values: Any,  # noqa: ANN401 - any value of a template
    ) -> HTMLResponse:
        """Render *template* with *values*, the path, the status and the user."""
        html = self._environment.get_template(template).render(
            path=request.url.path, user=request.scope.get("user"), status=status, **values
        )
        return HTMLResponse(html, status, headers)

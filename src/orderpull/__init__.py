"""Load orders from an API into a warehouse, without loss and without duplicates.

The public Python API::

    import orderpull

    settings = orderpull.read_settings("orderpull.toml")
    result = orderpull.run(settings)
    answers = orderpull.report(settings, country="DE")

Each name is imported on first use, so that ``import orderpull`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orderpull.errors import OrderpullError
    from orderpull.operate.report import report
    from orderpull.pipeline import load, preflight, pull, run
    from orderpull.settings import Settings, parse_settings, read_settings
    from orderpull.sources.http.messages import Request

__version__ = "0.1.0"

__all__ = [
    "OrderpullError",
    "Request",
    "Settings",
    "load",
    "parse_settings",
    "preflight",
    "pull",
    "read_settings",
    "report",
    "run",
]

_HOMES = {
    "errors": ("OrderpullError",),
    "operate.report": ("report",),
    "pipeline": ("load", "preflight", "pull", "run"),
    "settings": ("Settings", "parse_settings", "read_settings"),
    "sources.http.messages": ("Request",),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"orderpull.{module}"), name)
    message = f"module 'orderpull' has no attribute {name!r}"
    raise AttributeError(message)

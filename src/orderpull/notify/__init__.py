"""Notify: tell people when something begins to go wrong, and when it is well again."""

from typing import TYPE_CHECKING

from orderpull.errors import Interrupted

if TYPE_CHECKING:
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings


def after_run(settings: "Settings", result: "RunResult") -> None:
    """Tell what has begun to be wrong, and what is well again, since the last run.

    A run that somebody stopped says nothing. What goes wrong here is logged and fails no run. Where
    nobody is to be told, nothing is read and nothing is loaded.
    """
    if settings.notify.urls and not isinstance(result.error, Interrupted):
        from orderpull.notify.telling import tell

        tell(settings, result)

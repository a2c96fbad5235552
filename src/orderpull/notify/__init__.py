"""Notify: tell people when something begins to go wrong, and when it is well again."""

from typing import TYPE_CHECKING

from orderpull.errors import Interrupted

if TYPE_CHECKING:
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings


def after_run(settings: "Settings", result: "RunResult", *, even_stopped: bool = False) -> None:
    """Tell what has begun to be wrong, and what is well again, since the last run.

    What goes wrong here is logged and fails no run. Where nobody is to be told, nothing is read and
    nothing is loaded.

    :param even_stopped: tell what failed also where the run was stopped. Where a person did that,
        it says nothing.
    """
    stopped = isinstance(result.error, Interrupted)
    if settings.notify.urls and (even_stopped or not stopped):
        from orderpull.notify.notifier import tell

        tell(settings, result)

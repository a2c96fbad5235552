"""Notify: send an alert when something begins to go wrong, and another when it has recovered."""

from typing import TYPE_CHECKING

from orderpull.errors import Interrupted

if TYPE_CHECKING:
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings


def after_run(settings: "Settings", result: "RunResult", *, even_stopped: bool = False) -> None:
    """Send the alerts that a run opens or closes.

    Errors are logged, because they must not fail the run. Without ``notify.urls`` nothing is
    imported and nothing is read.

    :param even_stopped: notify after an interrupted run, too. Where a person interrupts runs, such
        a run sends nothing.
    """
    stopped = isinstance(result.error, Interrupted)
    if settings.notify.urls and (even_stopped or not stopped):
        from orderpull.notify.notifier import notify

        notify(settings, result)

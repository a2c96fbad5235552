"""Notify: send an alert when something begins to go wrong, and another when it has recovered."""

from typing import TYPE_CHECKING

from orderpull.errors import Interrupted

if TYPE_CHECKING:
    from orderpull.pipeline import RunResult
    from orderpull.settings import Settings
    from orderpull.verify.result import Verified


def after_run(settings: "Settings", result: "RunResult", *, even_stopped: bool = False) -> None:
    """Send the alerts that a run opens or closes.

    Errors are logged, because they must not fail the run. Without ``notify.urls`` nothing is
    imported and nothing is read.

    :param even_stopped: notify after an interrupted run, too. Where a person interrupts runs, such
        a run sends nothing.
    """
    stopped = isinstance(result.error, Interrupted)
    if settings.notify.urls and (even_stopped or not stopped):
        from orderpull.notify import alerts
        from orderpull.notify.notifier import notify

        notify(settings, lambda since, now: alerts.after_run(settings, result, since, now))


def after_verify(settings: "Settings", verified: "Verified") -> None:
    """Send the alerts that a verification opens or closes, as :func:`after_run`."""
    if settings.notify.urls:
        from orderpull.notify import alerts
        from orderpull.notify.notifier import notify

        notify(settings, lambda _since, _now: alerts.of_verified(verified))

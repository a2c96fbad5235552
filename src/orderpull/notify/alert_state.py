"""State of alerts, so that each is sent once."""

from datetime import datetime

from msgspec import Struct

NAME = "notified.json"


class OpenAlert(Struct, rename={"sent": "told"}):
    """An alert that is open. Times are UTC.

    :param since: when the alert opened.
    :param runs: consecutive runs with the alert.
    :param sent: True once a message was sent.
    """

    since: datetime
    runs: int = 1
    sent: bool = False


class AlertState(Struct):
    """State of all alerts.

    :param open: open alerts by key.
    :param since: when each source was first seen.
    """

    open: dict[str, OpenAlert] = {}
    since: dict[str, datetime] = {}

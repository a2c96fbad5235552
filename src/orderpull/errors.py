"""The errors of orderpull, by what the user should do.

::

    OrderpullError
    ├── UsageError                 exit 2  mend the command or the file it names
    │   ├── SettingsError                  orderpull.toml or the environment
    │   └── ApiFileError                   an API's .toml
    ├── ScheduleError              exit 2  give the schedule a folder that it can write
    │   └── ScheduleBusy                   another schedule runs with these settings
    ├── LandingError               exit 2  free disk space, or restore the folder
    │   ├── LandingBusy                    another orderpull pulls this source: wait
    │   └── LandingMismatch                these pages belong to another warehouse
    ├── DestinationError           exit 2  start, reach, unlock or choose the warehouse
    │   ├── DestinationBusy                another program has the lock: close it, or wait
    │   │   └── Overtaken                  another orderpull loaded the source meanwhile: run again
    │   ├── DestinationForeign             not made by orderpull: choose another one
    │   ├── RightMissing                   a right of its user is missing: grant it
    │   └── SchemaTooNew                   update orderpull
    ├── SourceError                exit 1  one source failed; the others continued
    │   ├── SourceUnreachable              address, network, certificate
    │   ├── SourceRefused                  token, rights, path
    │   │   └── SourceExpired                  the token has expired
    │   ├── SourceBusy                     rate limit or outage: the next run goes on
    │   │   └── SourceBroken                   it fails with 5xx at each attempt
    │   ├── SourceUnexpected               the response has no orders
    │   ├── SourceUnstable                 orders changed faster than they could be read
    │   └── PossibleLoss                   a consume-once response was incomplete
    ├── RejectLimitExceeded        exit 1  check the rejects, then load --accept-rejects
    ├── CorruptPage                exit 1  a landed page has changed: restore it
    └── Interrupted                exit 128 + signal

A destination that fails after the pull exits 1 instead of 2, because pages wait in the landing.
"""


class OrderpullError(Exception):
    """A foreseeable error.

    :param message: the fault and its place, as a sentence.
    :param hint: the user's next step.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(OrderpullError):
    """The command, or a file it names, is wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """``orderpull.toml`` or the environment is wrong."""


class ApiFileError(UsageError):
    """An API's ``.toml`` is wrong; the message names file, key and reason."""


class ScheduleError(OrderpullError):
    """A schedule cannot start, because its folder cannot be used."""

    exit_code = 2


class ScheduleBusy(ScheduleError):
    """Another schedule runs with these settings on this machine."""


class LandingError(OrderpullError):
    """The landing cannot be read or written."""

    exit_code = 2


class LandingBusy(LandingError):
    """Another process is pulling this source into this landing."""


class LandingMismatch(LandingError):
    """The destination has loaded pages of another landing for this source.

    An empty landing is allowed: its page numbers continue those of the ledger.
    """


class DestinationError(OrderpullError):
    """The warehouse cannot be used."""

    exit_code = 2


class DestinationBusy(DestinationError):
    """Another process holds the warehouse's lock for longer than ``lock_wait``."""


class Overtaken(DestinationBusy):
    """Another process loaded the same source at the same time; this one changed nothing."""


class DestinationForeign(DestinationError):
    """The warehouse contains tables that orderpull did not create."""


class RightMissing(DestinationError):
    """The warehouse's user lacks a right."""


class SchemaTooNew(DestinationError):
    """A newer orderpull created or migrated the warehouse."""


class SourceError(OrderpullError):
    """One source failed; the others go on."""


class SourceUnreachable(SourceError):
    """The API is unreachable: name, address, network or certificate."""


class SourceRefused(SourceError):
    """The API refused the request: token, rights or path."""


class SourceBusy(SourceError):
    """The API is down, or its rate limit needs a longer wait than this run allows."""


class SourceBroken(SourceBusy):
    """The API failed (5xx) at each attempt; a smaller page size may help."""


class SourceExpired(SourceRefused):
    """The token has expired."""


class SourceUnexpected(SourceError):
    """The response has no orders."""


class SourceUnstable(SourceError):
    """The orders changed faster than they could be read."""


class PossibleLoss(SourceError):
    """A response of a consume-once API was incomplete."""


class RejectLimitExceeded(OrderpullError):
    """A batch has too many rejects; it was not loaded."""


class CorruptPage(OrderpullError):
    """A landed page has changed since it was landed."""


class Interrupted(OrderpullError):
    """SIGINT or SIGTERM stopped the run after the current page was landed.

    :param signal: the signal's number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(
            "Stopped as asked.", "What was pulled is kept; the next run goes on from there."
        )
        self.signal = signal
        self.exit_code = 128 + signal

"""Every error that orderpull raises on purpose, sorted by what a person should do.

::

    OrderpullError
    ├── UsageError                 exit 2  mend the command or the file it names
    │   ├── SettingsError                  orderpull.toml or the environment
    │   └── ApiFileError                   an API's .toml
    ├── ScheduleError              exit 2  give the schedule a folder that it can write
    │   └── ScheduleBusy                   another schedule runs with these settings
    ├── LandingError               exit 2  make room, or give back the folder
    │   ├── LandingBusy                    another orderpull pulls this source: wait
    │   └── LandingMismatch                these pages belong to another warehouse
    ├── DestinationError           exit 2  start, reach, unlock or choose the warehouse
    │   ├── DestinationBusy                somebody holds the lock: close it, or wait longer
    │   │   └── Overtaken                  another orderpull loaded the source meanwhile: run again
    │   ├── DestinationForeign             not ours: choose another file or database
    │   ├── RightMissing                   its user may not do that: grant it, or take another user
    │   └── SchemaTooNew                   update orderpull
    ├── SourceError                exit 1  one source failed, the others went on
    │   ├── SourceUnreachable              address, network, certificate
    │   ├── SourceRefused                  token, rights, path
    │   │   └── SourceExpired                  the token is no longer taken
    │   ├── SourceBusy                     it asked us to wait, or is down: the next run goes on
    │   │   └── SourceBroken                   it breaks down over what it is asked for
    │   ├── SourceUnexpected               it answered something that is not orders
    │   ├── SourceUnstable                 it changed faster than it could be read
    │   └── PossibleLoss                   a consume-once answer that did not arrive whole
    ├── RejectLimitExceeded        exit 1  look at the rejects, then load --accept-rejects
    ├── CorruptPage                exit 1  a landed page is not what was landed: restore it
    └── Interrupted                exit 128 + signal

A destination that fails after the pull exits 1 instead of 2: something was asked, and it waits in
the landing. The message says what happened and where; :attr:`OrderpullError.hint` says what to do.
"""


class OrderpullError(Exception):
    """A foreseeable fault, told in one sentence, with a hint at what to do.

    :param message: what happened and where.
    :param hint: what a person should do next.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(OrderpullError):
    """The command or a file that it names is wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """``orderpull.toml`` or the environment is wrong."""


class ApiFileError(UsageError):
    """An API's ``.toml`` is wrong; the message names file, key and reason."""


class ScheduleError(OrderpullError):
    """A schedule cannot begin: its folder cannot be used."""

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

    An empty landing is no mismatch: its pages go on from the ledger's numbers.
    """


class DestinationError(OrderpullError):
    """The warehouse cannot be used."""

    exit_code = 2


class DestinationBusy(DestinationError):
    """Another process holds the warehouse's lock for longer than ``lock_wait``."""


class Overtaken(DestinationBusy):
    """Another process loaded the same source since this one looked; nothing was changed."""


class DestinationForeign(DestinationError):
    """The warehouse holds something that orderpull did not make."""


class RightMissing(DestinationError):
    """The warehouse's user lacks a right."""


class SchemaTooNew(DestinationError):
    """The warehouse was made by a newer orderpull."""


class SourceError(OrderpullError):
    """One source failed; the others go on."""


class SourceUnreachable(SourceError):
    """Name, address, network or certificate."""


class SourceRefused(SourceError):
    """The API said no: token, rights or path."""


class SourceBusy(SourceError):
    """The API asked us to wait longer than this run may, or is down."""


class SourceBroken(SourceBusy):
    """The API broke down (5xx) each time: maybe it is not up to so many orders at once."""


class SourceExpired(SourceRefused):
    """The API takes the token no more."""


class SourceUnexpected(SourceError):
    """The API answered something that is not orders."""


class SourceUnstable(SourceError):
    """The orders changed faster than they could be read."""


class PossibleLoss(SourceError):
    """A consume-once API's answer did not arrive whole."""


class RejectLimitExceeded(OrderpullError):
    """Too many orders of a batch could not be shaped; the batch was not loaded."""


class CorruptPage(OrderpullError):
    """A landed page's bytes are not those that were landed."""


class Interrupted(OrderpullError):
    """SIGINT or SIGTERM asked for a stop, and the page in hand is safe.

    :param signal: the signal's number.
    """

    def __init__(self, signal: int) -> None:
        super().__init__(
            "Stopped as asked.", "What was pulled is kept; the next run goes on from there."
        )
        self.signal = signal
        self.exit_code = 128 + signal

"""The errors of orderpull, by what the user should do.

Each class names the fault, then the next step. A destination that fails after the pull exits 1
instead of 2, because pages wait in the landing.
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
    """The command, or a file it names, is wrong: mend it."""

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
    """The landing cannot be read or written: free disk space, or restore the folder."""

    exit_code = 2


class LandingBusy(LandingError):
    """Another process is pulling this source into this landing: wait."""


class InvalidNote(LandingError):
    """A note beside the pages was changed: restore it from a backup."""


class LandingMismatch(LandingError):
    """The destination has loaded pages of another landing for this source.

    An empty landing is allowed: its page numbers continue those of the ledger.
    """


class KeyMissing(LandingError):
    """Something in the landing is encrypted, and this machine has no key for it: give the key."""


class DestinationError(OrderpullError):
    """The warehouse cannot be used: start, reach, unlock or choose it."""

    exit_code = 2


class NothingToRead(DestinationError):
    """Nothing has been loaded into the warehouse yet: run `orderpull run`."""


class DestinationBusy(DestinationError):
    """Another process holds the warehouse's lock for longer than ``lock_wait``: close it.

    :ivar holder: that process, if it is known.
    """

    holder = ""


class Overtaken(DestinationBusy):
    """Another process loaded the source meanwhile; this one changed nothing: run again."""


class CommitRefused(Overtaken):
    """Another process wrote to the lake meanwhile, maybe another source: run again."""


class DestinationForeign(DestinationError):
    """The warehouse contains tables that orderpull did not create: choose another one."""


class RightMissing(DestinationError):
    """The warehouse's user lacks a right: grant it."""


class SchemaTooNew(DestinationError):
    """A newer orderpull created or migrated the warehouse: update orderpull."""


class SourceError(OrderpullError):
    """One source failed; the others go on."""


class SourceUnreachable(SourceError):
    """The API is unreachable: name, address, network or certificate."""


class SourceRefused(SourceError):
    """The API refused the request: token, rights or path."""


class SourceMissing(SourceRefused):
    """The API has nothing at this path, or no longer."""


class SourceBusy(SourceError):
    """The API is down, or its rate limit needs a longer wait: the next run goes on."""


class SourceBroken(SourceBusy):
    """The API failed (5xx) at each attempt; a smaller page size may help.

    :ivar record: key of the order for which it failed, if that is known.
    """

    record = ""


class HookFailed(SourceRefused):
    """A function of an API file's hook failed: mend it."""


class SourceExpired(SourceRefused):
    """The token has expired."""


class SourceUnexpected(SourceError):
    """The response has no orders."""


class SourceUnstable(SourceError):
    """The orders changed faster than they could be read."""


class PossibleLoss(SourceError):
    """A response of a consume-once API was incomplete."""


class RejectLimitExceeded(OrderpullError):
    """A batch has too many rejects: check them, then ``load --accept-rejects``."""


class ClusterError(OrderpullError):
    """Spark cannot be started or reached, or it stopped the replay: nothing was committed."""

    exit_code = 2


class CorruptPage(OrderpullError):
    """A landed page has changed since it was landed: restore it."""


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

"""Units for other schedulers: a systemd service with its timer, or a line for a crontab."""

import getpass
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from orderpull import clock
from orderpull.errors import UsageError
from orderpull.schedule.trigger import Cron, Every, Trigger
from orderpull.settings import DEFAULT_FILE, Settings

SYSTEMD = """\
# /etc/systemd/system/orderpull.service
[Unit]
Description=Pull orders with orderpull
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
User={user}
WorkingDirectory={folder}
# Variables of the settings, one NAME=value a line. Only {user} may read the file.
EnvironmentFile=-{environment}
ExecStart={command}
# On a stop signal, the run ends after its current page.
SuccessExitStatus=130 143
TimeoutStopSec=120
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths={writable}
{cache}
# /etc/systemd/system/orderpull.timer
[Unit]
Description=Pull orders with orderpull, {trigger}

[Timer]
{times}
RandomizedDelaySec={jitter}
AccuracySec=1s

[Install]
WantedBy=timers.target

# Write both files, then: systemctl daemon-reload && systemctl enable --now orderpull.timer
"""

WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
MINUTES, HOURS, DAYS, MONTHS = range(60), range(24), range(1, 32), range(1, 13)

CACHE = """\
# Responses that are not in the bucket yet are here; they must outlive the process.
CacheDirectory=orderpull
CacheDirectoryMode=0700
Environment=XDG_CACHE_HOME=%C/orderpull
"""


def systemd(settings: Settings, trigger: Trigger) -> str:
    """Return a service and its timer, as two files in one text.

    systemd starts a run only after the last one has ended. Keys: man 5 systemd.service,
    systemd.timer and systemd.exec; format of times: man 7 systemd.time.
    """
    writable = " ".join(_quoted(str(path)) for path in _writable_folders(settings))
    return SYSTEMD.format(
        user=getpass.getuser(),
        folder=_escaped(str(settings.folder)),
        environment=_escaped(str(settings.folder / "orderpull.env")),
        command=" ".join(_quoted(argument) for argument in _command(settings)),
        writable=writable,
        cache=CACHE if "://" in settings.landing.url else "",
        trigger=str(trigger).replace("%", "%%"),
        times="\n".join(_times(settings, trigger)),
        jitter=f"{settings.schedule.jitter:g}s",
    )


def crontab(settings: Settings, trigger: Trigger) -> str:
    """Return a line for ``crontab -e``, with comments on its variables and time zone.

    :raises UsageError: cron cannot express *trigger*.
    """
    times = trigger.expression if isinstance(trigger, Cron) else cron_times(trigger)
    program = " ".join(shlex.quote(argument) for argument in _command(settings))
    before = [f"cd {shlex.quote(str(settings.folder))}"]
    if _has_variables(settings):
        before.append("set -a && . ./orderpull.env && set +a")
    command = " && ".join((*before, f"{program} >> orderpull.log 2>&1"))
    lines = ["# Run crontab -e as the owner of the settings, and add this line:"]
    if _has_variables(settings):
        lines.append("# orderpull.env: one NAME=value a line. Only the owner may read the file.")
    if isinstance(trigger, Cron):
        zone = trigger.zone.key
        lines.append(
            f"# Times are in cron's own time zone. If that is not {zone}, change the times, or"
        )
        lines.append(
            f"# add CRON_TZ={zone} above the line, if your cron supports it (cronie does)."
        )
    # In a crontab, an unescaped % ends the command.
    return "\n".join((*lines, f"{times} {command}".replace("%", r"\%"), ""))


def _times(settings: Settings, trigger: Trigger) -> list[str]:
    if isinstance(trigger, Every):
        seconds = f"{trigger.length.total_seconds():g}s"
        return ["OnActiveSec=0", f"OnUnitActiveSec={seconds}"]
    lines = [f"OnCalendar={each} {trigger.zone.key}" for each in on_calendar(trigger)]
    return [*lines, f"Persistent={'true' if settings.schedule.missed == 'once' else 'false'}"]


def on_calendar(cron: Cron) -> list[str]:
    """Return cron's times as systemd's ``OnCalendar`` values (man 7 systemd.time), as alternatives.

    :raises UsageError: the days are counted from a month's end; systemd writes those differently.
    """
    times = cron.times(clock.now())
    days = {day for day in times.days if day in DAYS}
    weekdays = {day % 7 for day in times.weekdays if isinstance(day, int)}
    if len(days) < len(times.days) or not all(isinstance(day, int) for day in times.weekdays):
        raise UsageError(
            f"The days of {cron.expression!r} are not written for systemd.",
            "Use orderpull schedule itself, or cron.",
        )
    time_of_day = f"{_listed(times.hours, HOURS)}:{_listed(times.minutes, MINUTES)}:00"
    months, dates = _listed(times.months, MONTHS), _listed(days, DAYS)
    names = ",".join(WEEKDAYS[day] for day in sorted(weekdays)) + " "
    if len(weekdays) == len(WEEKDAYS):
        names = ""
    if times.day_and:
        return [f"{names}*-{months}-{dates} {time_of_day}"]
    # Cron means "this day of the month or that weekday"; one line of systemd means "and".
    return [f"*-{months}-{dates} {time_of_day}", f"{names}*-{months}-* {time_of_day}"]


def cron_times(every: Every) -> str:
    """Return the cron expression of an interval.

    :raises UsageError: the interval divides neither an hour nor a day.
    """
    minutes, seconds = divmod(every.length.total_seconds(), 60)
    hours, beyond = divmod(minutes, 60)
    if not seconds and minutes in {1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30}:
        return f"*/{minutes:g} * * * *"
    if not seconds and not beyond and hours in {1, 2, 3, 4, 6, 8, 12}:
        return f"0 */{hours:g} * * *"
    if every.length.days == 1 and not every.length.seconds:
        return "0 0 * * *"
    raise UsageError(
        f"Cron cannot run anything {every}.",
        "Use a length that divides an hour or a day: 5m, 20m, 1h, 6h, 1d.",
    )


def _listed(numbers: set[int], full: range) -> str:
    """Return *numbers* for ``OnCalendar``; ``*`` if they are the *full* range."""
    if numbers == set(full):
        return "*"
    return ",".join(f"{number:02d}" for number in sorted(numbers))


def _command(settings: Settings) -> list[str]:
    """Return the command that runs all sources once, from any folder."""
    beside = Path(sys.executable).parent / "orderpull"
    script = str(beside) if beside.exists() else shutil.which("orderpull")
    program = [script] if script else [sys.executable, "-m", "orderpull"]
    file = settings.file or settings.folder / DEFAULT_FILE
    return [*program, "--config", str(file), "--log-format", "json", "run"]


def _writable_folders(settings: Settings) -> list[Path]:
    """Return the folders that a run writes to, each once, the settings' folder first."""
    folders = [settings.folder / settings.schedule.folder]
    if "://" not in settings.landing.url:
        folders.append(settings.folder / settings.landing.url)
    url = urlsplit(settings.destination.url)
    if url.scheme == "duckdb":
        folders.append((settings.folder / url.path.removeprefix("/")).parent)
    outside = [each for each in folders if not each.is_relative_to(settings.folder)]
    return [settings.folder, *dict.fromkeys(outside)]


def _has_variables(settings: Settings) -> bool:
    return settings.file is not None and "${" in settings.file.read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    """Return *text* with ``%`` doubled, which starts a specifier in systemd."""
    return text.replace("%", "%%")


def _quoted(argument: str) -> str:
    """Return *argument* as one argument for systemd, without variables and specifiers."""
    escaped = argument.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    quoted = f'"{escaped}"' if set(argument) & set(" \t'\"\\;") else escaped
    return _escaped(quoted)

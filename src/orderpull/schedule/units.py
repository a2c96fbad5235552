"""Units for those who have a scheduler already: systemd's service and timer, a line for cron."""

import getpass
import shlex
import shutil
import sys
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from orderpull.schedule.elsewhere import as_cron, calendar
from orderpull.schedule.trigger import Cron, Every, Rhythm
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
# The settings' variables, NAME=value on each line; readable by {user} alone.
EnvironmentFile=-{environment}
ExecStart={command}
# Told to stop, it ends after the page in hand.
SuccessExitStatus=130 143
TimeoutStopSec=120
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=strict
ReadWritePaths={writable}
{cache}
# /etc/systemd/system/orderpull.timer
[Unit]
Description=Pull orders with orderpull, {rhythm}

[Timer]
{times}
RandomizedDelaySec={jitter}
AccuracySec=1s

[Install]
WantedBy=timers.target

# Write both files, then: systemctl daemon-reload && systemctl enable --now orderpull.timer
"""

CACHE = """\
# What was asked of an API and is not yet in the bucket: it has to outlive the process.
CacheDirectory=orderpull
CacheDirectoryMode=0700
Environment=XDG_CACHE_HOME=%C/orderpull
"""


def printed(kind: Literal["systemd", "cron"], settings: Settings, rhythm: Rhythm) -> str:
    """The text of the units, or of the crontab's line, with a line on what to do with it.

    :raises UsageError: *rhythm* cannot be told to that scheduler.
    """
    return systemd(settings, rhythm) if kind == "systemd" else crontab(settings, rhythm)


def systemd(settings: Settings, rhythm: Rhythm) -> str:
    """A service and its timer, as two files.

    systemd starts no second run while one goes on. What each line means: man 5 systemd.service,
    systemd.timer, systemd.exec; how times are written: man 7 systemd.time.
    """
    writable = " ".join(_quoted(str(path)) for path in _written(settings))
    return SYSTEMD.format(
        user=getpass.getuser(),
        folder=_escaped(str(settings.folder)),
        environment=_escaped(str(settings.folder / "orderpull.env")),
        command=" ".join(_quoted(word) for word in _command(settings)),
        writable=writable,
        cache=CACHE if "://" in settings.landing.url else "",
        rhythm=str(rhythm).replace("%", "%%"),
        times="\n".join(_times(settings, rhythm)),
        jitter=f"{settings.schedule.jitter:g}s",
    )


def crontab(settings: Settings, rhythm: Rhythm) -> str:
    """A line for ``crontab -e``, with what has to be known about it."""
    times = rhythm.expression if isinstance(rhythm, Cron) else as_cron(rhythm)
    words = " ".join(shlex.quote(word) for word in _command(settings))
    before = [f"cd {shlex.quote(str(settings.folder))}"]
    if _has_variables(settings):
        before.append("set -a && . ./orderpull.env && set +a")
    command = " && ".join((*before, f"{words} >> orderpull.log 2>&1"))
    lines = ["# Put this line into the crontab of who owns the settings: crontab -e"]
    if _has_variables(settings):
        lines.append("# orderpull.env holds NAME=value on each line; readable by the owner alone.")
    if isinstance(rhythm, Cron):
        zone = rhythm.zone.key
        lines.append(
            f"# Times are in cron's own time zone. Where it is not {zone}, change them, or"
        )
        lines.append(f"# put CRON_TZ={zone} above, if your cron knows that: cronie does.")
    # In a crontab, % is the end of the line.
    return "\n".join((*lines, f"{times} {command}".replace("%", r"\%"), ""))


def _times(settings: Settings, rhythm: Rhythm) -> list[str]:
    if isinstance(rhythm, Every):
        seconds = f"{rhythm.length.total_seconds():g}s"
        return ["OnActiveSec=0", f"OnUnitActiveSec={seconds}"]
    lines = [f"OnCalendar={each} {rhythm.zone.key}" for each in calendar(rhythm)]
    return [*lines, f"Persistent={'true' if settings.schedule.missed == 'once' else 'false'}"]


def _command(settings: Settings) -> list[str]:
    """What runs all sources once, from any folder."""
    beside = Path(sys.executable).parent / "orderpull"
    program = str(beside) if beside.exists() else shutil.which("orderpull")
    words = [program] if program else [sys.executable, "-m", "orderpull"]
    file = settings.file or settings.folder / DEFAULT_FILE
    return [*words, "--config", str(file), "--log-format", "json", "run"]


def _written(settings: Settings) -> list[Path]:
    """Folders that a run writes to."""
    found = [settings.folder, settings.folder / settings.schedule.folder]
    if "://" not in settings.landing.url:
        found.append(settings.folder / settings.landing.url)
    url = urlsplit(settings.destination.url)
    if url.scheme == "duckdb":
        found.append((settings.folder / url.path.removeprefix("/")).parent)
    inside = [each for each in found[1:] if not each.is_relative_to(settings.folder)]
    return [settings.folder, *dict.fromkeys(inside)]


def _has_variables(settings: Settings) -> bool:
    return settings.file is not None and "${" in settings.file.read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    """*text* for systemd, whose specifiers begin with ``%``."""
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """*word* as one of systemd's words: no variable, no specifier, blanks and quotes kept."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    quoted = f'"{escaped}"' if set(word) & set(" \t'\"\\;") else escaped
    return _escaped(quoted)

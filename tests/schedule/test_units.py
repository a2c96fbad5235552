"""Units for systemd and cron: understood by systemd itself where it is, and telling the same times."""

import re
import shlex
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from orderpull import Settings, read_settings
from orderpull.schedule.trigger import Cron, Every, Trigger
from orderpull.schedule.units import cron_times, crontab, on_calendar, systemd
from tests.schedule.clocks import cron

ANALYZE = shutil.which("systemd-analyze")
EXPRESSIONS = (
    "*/15 6-22 * * *",
    "0 2 * * *",
    "5,35 */2 1,15 * *",
    "0 6 * * 1-5",
    "0 6 1 * 0",
    "30 7 1-7 1,6 mon",
    "* * * * 7",
)


def settings_in(folder: Path, more: str = "") -> Settings:
    folder.mkdir(exist_ok=True)
    text = f'{more}[sources.shop]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'
    (folder / "orderpull.toml").write_text(text)
    return read_settings(folder / "orderpull.toml")


def files(text: str) -> dict[str, str]:
    """The files in what is printed, by their names."""
    parts = re.split(r"^# /etc/systemd/system/(\S+)\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def keys(text: str) -> dict[str, str]:
    """NAME=value of a unit."""
    return dict(line.split("=", 1) for line in text.splitlines() if re.match(r"\w+=", line))


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("trigger", [Every(timedelta(minutes=5)), *map(cron, EXPRESSIONS)], ids=str)
def test_systemd_takes_the_units(tmp_path: Path, trigger: Trigger) -> None:
    """`systemd-analyze verify` finds nothing, not even to warn of."""
    settings = settings_in(tmp_path / "with blank & 100% $HOME")
    for name, text in files(systemd(settings, trigger)).items():
        (tmp_path / name).write_text(text)
    units = [str(tmp_path / f"orderpull.{kind}") for kind in ("service", "timer")]
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "orderpull" in line]
    assert (done.returncode, ours) == (0, [])


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
def test_systemd_would_find_what_is_wrong(tmp_path: Path) -> None:
    """So that the test above can fail."""
    text = systemd(settings_in(tmp_path), Every(timedelta(minutes=5)))
    for name, unit in files(text).items():
        (tmp_path / name).write_text(unit.replace("OnUnitActiveSec=", "OnUnitActive="))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", str(tmp_path / "orderpull.timer")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "OnUnitActive" in done.stderr


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_systemd_has_the_same_times(expression: str) -> None:
    """The next twenty times of a cron expression are those of its OnCalendar lines."""
    trigger = cron(expression)
    begin = datetime(2026, 6, 1, 0, 0, 30)
    ours, instant = [], begin
    for _ in range(20):
        instant = trigger.after(instant)
        ours.append(instant)
    assert sorted(theirs(trigger, begin))[:20] == ours


def theirs(trigger: Cron, begin: datetime) -> set[datetime]:
    found = set()
    for line in on_calendar(trigger):
        done = subprocess.run(
            [str(ANALYZE), "calendar", "--iterations=20", f"--base-time={begin:%Y-%m-%d %H:%M:%S} UTC",
             f"{line} UTC"],
            capture_output=True, text=True, check=True, env={"TZ": "UTC", "LC_ALL": "C"},
        )  # fmt: skip
        for text in re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC$", done.stdout, re.MULTILINE):
            found.add(datetime.fromisoformat(text))
    return {each for each in found if each > begin}


def test_the_service_runs_once_and_may_write_where_it_must(tmp_path: Path) -> None:
    settings = settings_in(
        tmp_path / "here",
        f'[destination]\nurl = "duckdb:///{tmp_path}/elsewhere/orders.duckdb"\n'
        f'[landing]\nurl = "{tmp_path}/kept"\n',
    )
    unit = files(systemd(settings, Every(timedelta(minutes=5))))
    service, timer = keys(unit["orderpull.service"]), keys(unit["orderpull.timer"])
    assert service["Type"] == "oneshot"
    assert service["ExecStart"].endswith("orderpull.toml --log-format json run")
    assert service["ReadWritePaths"].split() == [
        str(tmp_path / "here"), str(tmp_path / "kept"), str(tmp_path / "elsewhere"),
    ]  # fmt: skip
    assert timer["OnUnitActiveSec"] == "300s"
    assert "CacheDirectory" not in service


def test_with_a_bucket_what_is_in_flight_outlives_the_process(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, '[landing]\nurl = "s3://bucket/orders"\n')
    service = keys(files(systemd(settings, cron("0 2 * * *")))["orderpull.service"])
    assert service["CacheDirectory"] == "orderpull"
    assert service["Environment"] == "XDG_CACHE_HOME=%C/orderpull"


@pytest.mark.parametrize(("missed", "persistent"), [("once", "true"), ("skip", "false")])
def test_missed_runs_are_told_to_systemd(tmp_path: Path, missed: str, persistent: str) -> None:
    settings = settings_in(tmp_path, f'[schedule]\nmissed = "{missed}"\njitter = 7\n')
    timer = keys(files(systemd(settings, cron("0 2 * * *")))["orderpull.timer"])
    assert timer["Persistent"] == persistent
    assert timer["RandomizedDelaySec"] == "7s"
    assert timer["OnCalendar"] == "*-*-* 02:00:00 UTC"


def crontab_line(text: str) -> tuple[str, str]:
    """Times and command of the one line that is no comment, as cron reads it (man 5 crontab)."""
    (line,) = (each for each in text.splitlines() if not each.startswith("#"))
    times, command = re.fullmatch(r"((?:\S+ ){5})(.*)", line).groups()  # type: ignore[union-attr]
    assert not re.search(r"(?<!\\)%", command), "cron ends a command at its first %"
    return times.strip(), command.replace(r"\%", "%")


def test_the_line_of_the_crontab(tmp_path: Path) -> None:
    """Its times are those that were given, and a shell takes its command apart as it is meant."""
    folder = tmp_path / "with 'quotes' & 100%"
    times, command = crontab_line(crontab(settings_in(folder), cron("*/5 6-22 * * 1-5")))
    assert times == "*/5 6-22 * * 1-5"
    words = shlex.split(command)
    assert words[:3] == ["cd", str(folder), "&&"]
    assert words[4:] == [
        "--config", str(folder / "orderpull.toml"), "--log-format", "json", "run",
        ">>", "orderpull.log", "2>&1",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_command_of_the_crontab_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As cron does: by sh, with hardly any environment; the variables come from the file."""
    monkeypatch.setenv("TOKEN", "x")
    settings = settings_in(tmp_path)
    assert settings.file is not None
    with settings.file.open("a") as file:
        file.write('token = "${TOKEN}"\n')
    (tmp_path / "orderpull.env").write_text("TOKEN=a b\n".replace("a b", "'a b'"))
    _, command = crontab_line(crontab(settings, Every(timedelta(minutes=5))))
    done = subprocess.run(["/bin/sh", "-c", command], env={"PATH": "/usr/bin:/bin"}, check=False)
    assert done.returncode == 1
    assert "Nothing listens at 127.0.0.1:9" in (tmp_path / "orderpull.log").read_text()


@pytest.mark.parametrize(
    ("length", "times"),
    [(timedelta(minutes=5), "*/5 * * * *"), (timedelta(minutes=60), "0 */1 * * *"),
     (timedelta(hours=6), "0 */6 * * *"), (timedelta(days=1), "0 0 * * *")],
)  # fmt: skip
def test_a_length_as_crons_times(length: timedelta, times: str) -> None:
    """Runs at these times are as far apart as was asked, over midnight too."""
    assert cron_times(Every(length)) == times
    trigger, instant = cron(times), datetime.now(UTC).replace(tzinfo=None)
    found = [instant := trigger.after(instant) for _ in range(30)]
    assert {late - early for early, late in pairwise(found)} == {length}

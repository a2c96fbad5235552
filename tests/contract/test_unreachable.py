"""A server that cannot be used: exit 2 within seconds, a clear sentence, no request to the API."""

import gc
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from orderpull import Settings, failpoints, pull, run
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.servers import free_port, silent_server
from tests.warehouses import Warehouse

# redshift_connector makes its TLS context in a way that Python has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:ssl.:DeprecationWarning")

Change = Callable[[Warehouse, ExitStack], dict[str, Any]]


def told(settings: Settings) -> tuple[int, str]:
    """Exit code and message of a run; a socket that was left open fails the test."""
    result = run(settings)
    exit_code, message = result.exit_code, str(result.error)
    del result
    gc.collect()
    return exit_code, message


def url(place: Warehouse, **changed: Any) -> dict[str, Any]:
    """The warehouse's URL with another host, port, user or database."""
    parts = urlsplit(str(place.lines["url"]))
    values = {
        "user": parts.username, "password": parts.password, "host": parts.hostname,
        "port": parts.port, "database": parts.path.strip("/"), **changed,
    }  # fmt: skip
    who = values["user"] + (f":{values['password']}" if values["password"] else "")
    where = f"{who}@{values['host']}:{values['port']}"
    return {"url": urlunsplit((parts.scheme, where, values["database"], parts.query, ""))}


def wrong_address(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return url(place, host="no-such-cluster.invalid")


def wrong_port(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return url(place, port=free_port())


def silent_port(place: Warehouse, stack: ExitStack) -> dict[str, Any]:
    return url(place, port=stack.enter_context(silent_server())[1]) | {"connect_timeout": 2}


def another_service(place: Warehouse, stack: ExitStack) -> dict[str, Any]:
    simulator = stack.enter_context(Simulator(SkubanaAssessment(orders=1)))
    return url(place, port=urlsplit(simulator.url).port) | {"connect_timeout": 2}


def wrong_password(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return url(place, password="hunter2") | {"password": "hunter2"}


def wrong_user(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return url(place, user="nobody")


def wrong_database(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return url(place, database="no_such_database")


def tls_is_asked_for(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    mode = "require" if place.kind == "postgresql" else "verify-full"
    plain = str(place.lines["url"]).partition("?")[0]
    return {"url": f"{plain}?sslmode={mode}"}


def no_right_to_write(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    place.open().preflight()
    return _reader(place, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")


def no_right_to_make_tables(place: Warehouse, _: ExitStack) -> dict[str, Any]:
    return _reader(place, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")


def _reader(place: Warehouse, grant: str) -> dict[str, Any]:
    """Become somebody who may do nothing but what is granted."""
    if place.live:
        pytest.skip("this makes users as PostgreSQL does")
    reader = "reader_" + urlsplit(str(place.lines["url"])).path.strip("/")
    place.query(f"CREATE ROLE {reader} LOGIN PASSWORD 'secret'")
    place.query(grant.format(reader=reader))
    return url(place, user=reader, password="secret") | {"password": "secret"}


def locked(place: Warehouse, stack: ExitStack) -> dict[str, Any]:
    place.open().preflight()
    destination = place.open()
    session = destination.connect()  # type: ignore[attr-defined]
    stack.callback(session.close)
    stack.enter_context(session.writing())
    return {"lock_wait": 0.5}


CASES: list[tuple[Change, str]] = [
    (wrong_address, r"the name (no-such-cluster.invalid )?is not known.*Check the host"),
    (wrong_port, r"nothing listens there.*Check host and port"),
    (silent_port, r"no answer within 2 s.*Check host"),
    (another_service, r"cannot be used"),
    (wrong_password, r"refused the password of"),
    (wrong_user, r"nobody"),
    (wrong_database, r'"no_such_database" does not exist.*Check (the )?database'),
    (tls_is_asked_for, r"it speaks no TLS.*sslmode"),
    (no_right_to_write, r"refuses: permission denied.*Grant it as docs/"),
    (no_right_to_make_tables, r"refuses: permission denied.*Grant it as docs/"),
    (locked, r"held .* for longer than 0.5 s.*lock_wait"),
]


@pytest.mark.parametrize(
    ("change", "said"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_nothing_is_asked_of_the_api(change: Change, said: str, server: Warehouse) -> None:
    """Preflight finds it, says so in a sentence without the password, and asks for no order."""
    with ExitStack() as stack, Simulator(SkubanaAssessment(orders=5)) as simulator:
        changed = change(server, stack)
        settings = server.settings(simulator.url, **changed)
        began = time.monotonic()
        exit_code, message = told(settings)
        took = time.monotonic() - began
    assert exit_code == 2
    assert (simulator.calls, simulator.connections) == ([], 0)
    assert re.search(said, message, re.DOTALL), message
    assert "hunter2" not in message
    assert "Nothing was asked of any API; 0 landed pages wait." in message
    assert took < 60, "a deadline is missing"


@pytest.fixture
def waiting(server: Warehouse) -> Warehouse:
    """A warehouse for which pages wait."""
    with Simulator(SkubanaAssessment(orders=90, per_call=30)) as simulator:
        assert pull(server.settings(simulator.url)).ok
    return server


def test_it_says_how_many_pages_wait(waiting: Warehouse) -> None:
    """What was pulled before is not forgotten."""
    settings = waiting.settings("http://127.0.0.1:9", **url(waiting, port=free_port()))
    assert "3 landed pages wait" in told(settings)[1]


def test_a_server_that_goes_away_after_the_pull(server: Warehouse) -> None:
    """Exit 1: something was asked; it waits in the landing, and the next run loads it."""
    if server.live:
        pytest.skip("this ends connections as PostgreSQL does")
    shop = SkubanaAssessment(orders=60, per_call=30)
    with Simulator(shop) as simulator:
        settings = server.settings(simulator.url)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(failpoints, "_action", _hang_up(server))
            exit_code, message = told(settings)
        assert exit_code == 1
        assert "The connection to" in message
        assert "What was pulled waits in the landing." in message
        assert run(settings).sources["shop"].counts.inserted == 60


def _hang_up(server: Warehouse) -> Callable[[str], None]:
    """End every other connection to the database in the middle of the transaction."""

    def reached(point: str) -> None:
        if point == "rows-deleted":
            server.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    return reached

"""Servers that are slow, that hang up at the worst moment, or that are looked at twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redshift_connector.error import ProgrammingError

from orderpull import failpoints, load, pull, run
from orderpull.destinations.postgres import session
from orderpull.destinations.redshift.errors import refused
from orderpull.errors import Overtaken
from orderpull.settings import DestinationSettings
from orderpull.simulator import Simulator, SkubanaAssessment
from tests.contract.stored import stored_orders
from tests.doubles.redshift import HangUp, WireError
from tests.servers import fresh_database, postgres_server, self_signed
from tests.warehouses import Warehouse, warehouse

SHOP: dict[str, Any] = {"orders": 60, "per_call": 30, "seed": 9}


def blocked(server: Warehouse, statement: str, do: Callable[[], Any]) -> Any:
    """What *do* returns while *statement*'s locks are held by somebody else."""
    name = str(server.lines["url"]).rpartition("/")[2].partition("?")[0]
    with postgres_server().connect(name) as connection, connection.transaction():
        connection.execute(statement.encode())
        return do()


def test_a_table_that_somebody_locks(server: Warehouse) -> None:
    """It waits no longer than it was told to, and says what keeps it."""
    if server.live:
        pytest.skip("this locks as PostgreSQL does")
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        settings = server.settings(simulator.url, lock_wait=1, timeout=2)
        server.open().preflight()
        assert pull(settings).ok
        result = blocked(
            server,
            "LOCK order_header IN ACCESS EXCLUSIVE MODE",
            lambda: load(settings),
        )
        assert result.exit_code == 2
        assert "longer than" in str(result.error)
        assert load(settings).ok
        assert stored_orders(server) == simulator.truth()["orders"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_whose_answer_is_lost(when: str, redshift: Warehouse) -> None:
    """Whether it was done or not, the next run finds out from the ledger."""
    assert redshift.double is not None
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        settings = redshift.settings(simulator.url)
        assert pull(settings).ok

        def hang_up(statement: str) -> None:
            if statement == "COMMIT" and any("new_order_header" in s for s in said):
                raise HangUp
            said.append(statement)

        said: list[str] = []
        setattr(redshift.double, "gate" if when == "before" else "gate_after", hang_up)
        result = load(settings)
        assert result.exit_code == 2
        assert "The connection to Redshift" in str(result.error)
        redshift.double.gate = redshift.double.gate_after = None
        assert load(settings).ok
        assert stored_orders(redshift) == simulator.truth()["orders"]
    ((inserted,),) = redshift.query("SELECT sum(inserted) FROM orderpull_page")
    assert inserted == 60


def test_a_conflict_that_is_no_loaders_is_told(redshift: Warehouse) -> None:
    """1023 while nobody loads: tried once, told, and loaded by the next run."""
    assert redshift.double is not None
    tried: list[str] = []

    def conflict(statement: str) -> None:
        if statement.startswith("INSERT INTO order_header") and "1 = 0" not in statement:
            tried.append(statement)
            assert len(tried) < 3, "it is tried for ever"
            raise WireError("XX000", "1023 Serializable isolation violation on table")

    redshift.double.gate = conflict
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        settings = redshift.settings(simulator.url)
        assert pull(settings).ok
        result = load(settings)
        assert "wrote to Redshift" in str(result.error)
        assert (result.exit_code, len(tried)) == (2, 1)
        redshift.double.gate = None
        assert load(settings).ok
        assert stored_orders(redshift) == simulator.truth()["orders"]


def test_a_number_in_a_message_is_no_conflict() -> None:
    """1023 bytes, or a port: told as what it is."""
    settings = DestinationSettings(url="redshift://user@host/dev")
    for said in ("value has 1023 bytes", "no answer from 10.0.0.1:1023"):
        told = refused(ProgrammingError({"C": "XX000", "M": said}), "Redshift", settings)
        assert not isinstance(told, Overtaken)
        assert said in str(told)


def test_a_postgresql_whose_commit_is_cut_off(tmp_path: Path) -> None:
    """The backend ends between the last statement and COMMIT: nothing is there, all waits."""
    with (
        warehouse("postgresql", tmp_path / "here") as server,
        Simulator(SkubanaAssessment(**SHOP)) as simulator,
    ):
        settings = server.settings(simulator.url)
        assert pull(settings).ok
        server.open().preflight()

        def cut(point: str) -> None:
            if point == "ledger-written":
                server.query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(failpoints, "_action", cut)
            assert load(settings).exit_code == 2
        assert server.query("SELECT count(*) FROM order_header") == [(0,)]
        assert load(settings).ok
        assert stored_orders(server) == simulator.truth()["orders"]


def test_postgresql_with_verified_tls(tmp_path: Path) -> None:
    """Sslmode and sslrootcert in the URL, as libpq has them; another certificate is refused."""
    server = postgres_server(tls=True)
    assert server.certificate is not None
    (tmp_path / "other").mkdir()
    other = self_signed(tmp_path / "other")
    with Simulator(SkubanaAssessment(**SHOP)) as simulator:
        place = Warehouse("postgresql", tmp_path, {}, _nobody)
        url = f"{server.url(fresh_database(server))}?sslmode=verify-full&sslrootcert="
        assert run(place.settings(simulator.url, url=f"{url}{server.certificate.cert}")).ok
        result = run(place.settings(simulator.url, url=f"{url}{other.cert}"))
    assert result.exit_code == 2
    assert "its certificate is not trusted" in str(result.error)


def test_a_postgresql_that_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which version it needs."""
    monkeypatch.setattr(session, "OLDEST", 990000)
    server = postgres_server()
    place = Warehouse("postgresql", tmp_path, {"url": server.url(fresh_database(server))}, _nobody)
    result = run(place.settings("http://127.0.0.1:9"))
    assert result.exit_code == 2
    assert "orderpull needs 99 or newer" in str(result.error)


def test_a_schema_of_its_own(tmp_path: Path) -> None:
    """options=-csearch_path in the URL; two orderpulls share one database, and never meet."""
    server = postgres_server()
    name = fresh_database(server)
    with server.connect(name) as connection:
        connection.execute("CREATE SCHEMA one")
        connection.execute("CREATE SCHEMA two")
    for schema, orders in (("one", 10), ("two", 20)):
        (tmp_path / schema).mkdir()
        url = f"{server.url(name)}?options=-csearch_path%3D{schema}"
        place = Warehouse("postgresql", tmp_path / schema, {"url": url}, _nobody)
        with Simulator(SkubanaAssessment(orders=orders, per_call=5)) as simulator:
            assert run(place.settings(simulator.url)).ok
    with server.connect(name) as connection:
        for schema, orders in (("one", 10), ("two", 20)):
            found = connection.execute(f"SELECT count(*) FROM {schema}.order_header".encode())
            assert found.fetchone() == (orders,)


def _nobody(_: str) -> list[Any]:
    """Nobody looks into these warehouses from outside."""
    return []

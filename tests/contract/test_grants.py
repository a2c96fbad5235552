"""``orderpull grants``: enough to load and to read, not enough for anything else, nobody's name."""

import html
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.applications import Starlette
from starlette.routing import Route

from orderpull import Settings
from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.cli import main
from orderpull.destinations import open_destination
from orderpull.destinations.grants import GrantPlan, parse_url, script
from orderpull.destinations.protocol import Kind, Reader
from orderpull.errors import UsageError
from orderpull.model import MASKS, SCHEMA_VERSION, TABLES, VIEWS, Mask
from orderpull.simulator import Simulator, SkubanaAssessment
from orderpull.tableau.connection import LiveConnection
from orderpull.tableau.workbook import workbook
from orderpull.web.api import ENDPOINTS
from orderpull.web.app import application
from orderpull.web.csv_export import TABLES as CSV_TABLES
from tests.contract.granted import PASSWORD, Granted, granted, quoted, statements
from tests.doubles.redshift.grammar import unparsable
from tests.servers import _binary
from tests.tableau.evaluating import Evaluated
from tests.warehouses import LIVE, aged
from tests.web.raw_client import ask, locked, signed_in
from tests.web.shop import serving

SERVERS: tuple[Kind, ...] = ("postgresql", "redshift")
SHOP: dict[str, Any] = {"orders": 60, "per_call": 30, "seed": 4, "malformed": 0.1}

NOT_THE_LOADERS = (
    "CREATE DATABASE more",
    "CREATE SCHEMA more",
    "CREATE TABLE public.mine (a integer)",
    "SELECT * FROM pg_authid",
    "SELECT * FROM other.salaries",
    "DELETE FROM other.salaries",
    "DROP TABLE other.salaries",
)
NOT_THE_READERS = (
    *NOT_THE_LOADERS,
    "CREATE TABLE mine (a integer)",
    "CREATE VIEW mine AS SELECT 1 AS a",
    "CREATE TEMP TABLE mine (a integer)",
)
NOT_WITHOUT_OWNING = (
    "DROP TABLE order_item",
    "ALTER TABLE order_item ADD COLUMN a integer",
    "TRUNCATE order_item",
    "CREATE TABLE mine (a integer)",
    "DELETE FROM orderpull_schema",
    "INSERT INTO orderpull_schema (version) VALUES (99)",
    "UPDATE order_item SET quantity = 0",
)
ODD = "Ör\"d; DROP TABLE x; --'$orderpull$ %s {} [x] \\"
"""A name that breaks out of whatever is not quoted well."""


@pytest.fixture(autouse=True)
def _no_live_redshift(monkeypatch: pytest.MonkeyPatch) -> None:
    """Users are made on the servers of the tests alone."""
    monkeypatch.delenv(LIVE, raising=False)


@pytest.fixture(params=SERVERS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Granted]:
    """An empty warehouse on each kind of server, and a shop with some malformed orders."""
    with (
        Simulator(SkubanaAssessment(**SHOP)) as simulator,
        granted(request.param, tmp_path / "here", simulator.url) as made,
    ):
        yield made


def writes(table: str) -> tuple[str, ...]:
    """A statement of each kind that changes *table*, without changing it."""
    column = next(t for t in TABLES if t.name == table).columns[0].name
    return (
        f"INSERT INTO {table} SELECT * FROM {table} WHERE 1 = 0",
        f"INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE 1 = 0",
        f"UPDATE {table} SET {column} = {column} WHERE 1 = 0",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"DROP TABLE {table}",
        f"ALTER TABLE {table} ADD COLUMN mine integer",
    )


def test_the_loader_does_all_of_its_work_and_nothing_else(place: Granted) -> None:
    """Check, run, replay, retry, load, status; nothing in another schema, nothing of the server."""
    assert place.grant("--dedicated") == []
    place.call(place.loader, "check")
    result = json.loads(place.call(place.loader, "run", "--json").stdout)["sources"]["shop"]
    assert result["rejected"] > 0
    place.call(place.loader, "replay")
    place.call(place.loader, "load")
    place.call(place.loader, "rejects", "retry")
    place.call(place.loader, "status")
    assert place.call(place.loader, "report").stdout.count("items per order")
    sold = "SELECT sum(orders) FROM summary_day"
    counted = "SELECT count(*) FROM order_header WHERE counted"
    assert place.ask(place.loader, sold)[0][0] == place.ask(place.loader, counted)[0][0] > 0
    for statement in NOT_THE_LOADERS:
        assert place.refuses(place.loader, statement), statement


def test_the_reader_answers_everything_and_sees_nobody(place: Granted) -> None:
    """The same answers as the loader's; names, streets and texts are refused by the server."""
    place.grant("--dedicated")
    place.call(place.loader, "run")
    assert place.ask(place.loader, "SELECT count(*) FROM orderpull_reject")[0][0] > 0
    for command in (
        ("report", "--json"),
        ("status", "--json"),
        ("sql", "SELECT * FROM popular_sku"),
    ):
        told = place.call(place.reader, *command).stdout
        known = place.call(place.loader, *command).stdout
        if command[0] == "report":  # who bought again is told by a column that the reader lacks
            assert json.loads(told)["customers"] is None
            known = json.dumps(json.loads(known) | {"customers": None})
            told = json.dumps(json.loads(told))
        assert told == known
    (run,) = json.loads(place.call(place.reader, "runs", "--json").stdout)["runs"]
    assert json.loads(place.call(place.reader, "status", "--json").stdout)["runs"] == [run]
    for table in TABLES:
        mask = MASKS.get(table.name)
        everything = f"SELECT * FROM {table.name}"
        assert place.refuses(place.reader, everything) == (mask is not None), table.name
        for column in mask.shown if mask else table.names:
            place.ask(place.reader, f'SELECT "{column}" FROM {table.name}')
        for column in mask.hidden if mask else ():
            asked = f'SELECT "{column}" FROM {table.name}'
            assert place.refuses(place.reader, asked), column
            found = f"SELECT count(*) FROM {table.name} WHERE \"{column}\" > ''"
            assert place.refuses(place.reader, found), column
            told = place.call(place.reader, "sql", asked, code=2).stderr
            assert "refuses: permission denied" in told
            assert "orderpull grants" in told
    folder = str(place.made.folder / "out")
    told = place.call(place.reader, "export", folder, code=2).stderr
    assert "refuses: permission denied" in told
    place.call(place.reader, "export", folder, "--tables", "order_item", "--answers")


def test_the_reader_changes_nothing(place: Granted) -> None:
    """Every table of the model, every kind of statement that writes."""
    place.grant("--dedicated")
    place.call(place.loader, "run")
    for table in TABLES:
        for statement in writes(table.name):
            assert place.refuses(place.reader, statement), statement
    for view in VIEWS:
        assert place.refuses(place.reader, f"DROP VIEW {view}")
    for statement in NOT_THE_READERS:
        assert place.refuses(place.reader, statement), statement
    assert "refuses: permission denied" in place.call(place.reader, "run", code=2).stderr


def test_rejects_are_listed_without_what_was_received(place: Granted) -> None:
    """Number, reason and place; `show` says in a sentence why there is no more."""
    place.grant()
    place.call(place.loader, "run")
    told = json.loads(place.call(place.reader, "rejects", "list", "--json").stdout)
    known = json.loads(place.call(place.loader, "rejects", "list", "--json").stdout)
    hidden = dict.fromkeys(MASKS["orderpull_reject"].hidden)
    assert told == [row | hidden for row in known] != known
    listed = place.call(place.reader, "rejects", "list").stdout
    assert "What was received may not be seen" in listed
    assert "may not be seen" not in place.call(place.loader, "rejects", "list").stdout
    key = f"{known[0]['page']}:{known[0]['position']}"
    refused = place.call(place.reader, "rejects", "show", key, code=2).stderr
    assert "may not be seen by this user" in refused
    assert "orderpull grants --names" in refused
    assert known[0]["raw"] in place.call(place.loader, "rejects", "show", key).stdout


def test_every_page_works_for_the_reader(place: Granted) -> None:
    """Pages, files, answers for programs, monitoring; addresses switched on are told of."""
    place.grant()
    place.call(place.loader, "run")
    sku, name, street, number = place.ask(
        place.loader,
        "SELECT i.sku, a.name, a.line1, i.ordernumber FROM order_item AS i "
        "JOIN order_address AS a ON a.source = i.source AND a.ordernumber = i.ordernumber "
        "JOIN order_header AS h ON h.source = i.source AND h.ordernumber = i.ordernumber "
        "WHERE h.counted AND a.name > '' AND a.line1 > '' AND i.sku NOT LIKE '% %' "
        "AND i.sku LIKE '%-%' ORDER BY 1 LIMIT 1",
    )[0]
    paths = [
        "/",
        "/skus",
        f"/sku?sku={sku}",
        "/customers",
        f"/orders?sku={sku}&period=all",
        "/movers",
        f"/order?order={number}",
        "/order?order=nothing",
        "/runs",
        "/healthz",
        "/readyz",
        "/metrics",
    ]
    paths += [f"/csv/{table}?sku={sku}" for table in CSV_TABLES]
    paths += [
        f"/api/{each.path}" + (f"?sku={sku}" if each.path == "orders" else "") for each in ENDPOINTS
    ]
    settings = locked(place.settings(place.reader), show_addresses=True)
    assert {path.split("?")[0] for path in paths} == routes_read(settings)
    with serving(settings) as site:
        session = signed_in(site)
        for path in paths:
            answer = ask(site, path, session)
            if path.startswith(("/csv/customers", "/api/customers")):
                assert answer.status == 503
                assert "orderpull grants" in answer.text
                continue
            assert answer.status == 200, f"{path}: {answer.text}"
            assert name not in html.unescape(answer.text)
            assert street not in html.unescape(answer.text)
        assert "may not read who ordered" in ask(site, "/customers", session).text
        page = ask(site, f"/orders?sku={sku}&period=all", session).text
        assert "switched on, but the warehouse's user may not read them" in page
        assert '<th scope="row">' in page
    place.grant("--names")
    with serving(settings) as site:
        page = ask(site, f"/orders?sku={sku}&period=all", signed_in(site)).text
        assert "may not see them" not in page
        assert name in html.unescape(page)


def routes_read(settings: Settings) -> set[str]:
    """Every address of the application that is read; not those to sign in and out by."""
    app: Any = application(settings)
    while not isinstance(app, Starlette):
        app = app.app
    found = {each.path for each in app.routes if isinstance(each, Route)}
    found -= {"/sign-in", "/sign-out", "/csv/{name}", "/xlsx/{name}", "/api/openapi.json"}
    return found | {f"/csv/{table}" for table in CSV_TABLES}


def test_tableau_works_for_the_reader(place: Granted) -> None:
    """Every field of the live workbook may be asked for; on PostgreSQL, its sheets are computed."""
    place.grant()
    place.call(place.loader, "run")
    live = LiveConnection("postgres", "localhost", 5432, place.database, schema=place.schema)

    def query(sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in place.ask(place.reader, sql)]

    book = Evaluated(workbook(live), query, ' COLLATE "C"')
    assert len(book.columns) > 20
    for column in book.columns.values():
        table, _, name = column.strip("[]").partition("].[")
        query(f'SELECT "{name}" FROM {place.schema}.{table} LIMIT 1')
    with_names = Evaluated(workbook(live, names=True), query).columns.values()
    assert "[order_address].[name]" in with_names
    if place.kind == "postgresql":
        with open_reader(place) as reader:
            (average,) = reader.rows(OrderQueries().average_items_per_order(Filter()))
            overall = reader.rows(OrderQueries().popular_sku(Filter(), 10))
        assert book.value("usr:Calculation_Average:qk") == average["average"] > 1
        shown = book.rows(book.sheet("Most popular SKUs"))
        assert len(shown) == len(overall) > 0
    folder = place.made.folder
    place.call(place.reader, "tableau", "preview", "-o", str(folder / "orders.svg"))
    if find_spec("tableauhyperapi"):  # Tableau makes its engine for some machines alone
        into = str(folder / "orders.twbx")
        place.call(place.reader, "tableau", "build", "--extract", "-o", into)


def open_reader(place: Granted) -> AbstractContextManager[Reader]:
    """The warehouse, read as the reader does."""
    settings = place.settings(place.reader)
    return open_destination(settings.destination, settings.folder).reader()


def test_names_are_granted_and_taken_back(place: Granted) -> None:
    """The last script counts, whatever was granted before it, by hand too."""
    place.grant("--names")
    place.call(place.loader, "run")
    owner = quoted(place.loader)
    for name, mask in MASKS.items():
        for column in mask.hidden:
            place.ask(place.reader, f'SELECT "{column}" FROM {name}')
    for table in TABLES:
        assert place.refuses(place.reader, f"DELETE FROM {table.name}")
    place.administer(
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA orders "
        f"GRANT SELECT ON TABLES TO {quoted(place.reader)}"
    )
    place.administer(f"GRANT SELECT (name) ON orders.order_address TO {quoted(place.reader)}")
    place.administer(f"GRANT DELETE ON orders.order_item TO {quoted(place.reader)}")
    place.grant()
    for name, mask in MASKS.items():
        for column in mask.hidden:
            assert place.refuses(place.reader, f'SELECT "{column}" FROM {name}')
    assert place.refuses(place.reader, "DELETE FROM order_item")
    place.ask(place.loader, "CREATE TABLE later (a integer)")
    assert place.refuses(place.reader, "SELECT * FROM later")


def test_a_second_time_does_no_harm(place: Granted) -> None:
    """What is loaded stays, rights stay; only Redshift complains, of users that are there."""
    place.grant()
    place.call(place.loader, "run")
    before = place.call(place.reader, "report", "--json").stdout
    refused = place.grant()
    assert place.call(place.reader, "report", "--json").stdout == before
    place.call(place.loader, "replay")
    versions = place.ask(place.loader, "SELECT version FROM orderpull_schema")
    assert [tuple(row) for row in versions] == [(SCHEMA_VERSION,)]
    if place.kind == "redshift":
        assert len(refused) == 2
        assert all("already exists" in said for said in refused)
    assert place.run(place.script("--no-users")) == []


def test_tables_that_the_loader_made_itself(place: Granted) -> None:
    """Where the loader was first, the script finds its tables and grants them."""
    place.grant()
    for name in VIEWS:
        place.administer(f"DROP VIEW orders.{name}")
    for table in TABLES:
        place.administer(f"DROP TABLE orders.{table.name}")
    place.call(place.loader, "run")
    assert "permission denied" in place.call(place.reader, "report", code=2).stderr
    place.grant()
    place.call(place.reader, "report")


def test_after_an_update(place: Granted) -> None:
    """The tables of an older orderpull: what they hold stays, the new ones are granted, too."""
    place.grant()
    place.call(place.loader, "run")
    before = place.ask(place.reader, "SELECT * FROM popular_sku_by_country ORDER BY 1, 2")
    for statement in aged(1, "orders"):
        place.administer(statement)
    place.grant()
    if place.kind == "redshift":  # which has no IF; the loader migrates what is left
        place.call(place.loader, "check")
        place.grant()
    versions = place.ask(place.loader, "SELECT version FROM orderpull_schema ORDER BY 1")
    assert [tuple(row) for row in versions] == [(1,), (SCHEMA_VERSION,)]
    place.call(place.loader, "run")
    again = place.ask(place.reader, "SELECT * FROM popular_sku_by_country ORDER BY 1, 2")
    assert again == before
    assert place.ask(place.reader, "SELECT count(*) FROM summary_day")[0][0] > 0
    place.call(place.reader, "report")


def test_odd_names(place: Granted) -> None:
    """Quoted wherever they stand: all works, and nothing else happens."""
    mark = place.loader[-8:]
    place.loader, place.reader = f"l{mark} {ODD}", f"r{mark} {ODD}"
    if place.kind == "redshift":  # folds names to lower case
        place.loader, place.reader = place.loader.lower(), place.reader.lower()
    place.schema = ODD.lower()
    assert place.grant() == []
    place.call(place.loader, "run")
    assert "items per order" in place.call(place.reader, "report").stdout
    assert place.refuses(place.reader, "SELECT name FROM order_address")
    found = place.made.query(
        "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'order\\_%'"
    )
    assert found == [(place.schema,)]


def test_it_is_redshifts_sql_by_anothers_grammar() -> None:
    """Sqlfluff finds nothing to object to."""
    for plan in (
        GrantPlan("redshift", "dev", dedicated=True),
        GrantPlan("redshift", "dev", loader="IAMR:orders-loader", names=True),
    ):
        found = statements(script(plan))
        assert len(found) > len(TABLES)
        assert unparsable(found) == []


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[Granted]:
    """An empty PostgreSQL, and a shop."""
    with (
        Simulator(SkubanaAssessment(**SHOP)) as simulator,
        granted("postgresql", tmp_path / "here", simulator.url) as made,
    ):
        yield made


def test_psql_runs_it(postgres: Granted) -> None:
    """The real program, and every statement of it well; twice."""
    server = postgres.server
    command = [str(_binary("psql")), "-X", "-v", "ON_ERROR_STOP=1", "-h", server.host]
    command += ["-p", str(server.port), "-U", server.user, "-d", postgres.database, "-f", "-"]
    postgres.loader += ' :x :"x" \\'
    for _ in range(2):
        done = subprocess.run(
            command,
            input=postgres.script("--dedicated"),
            env={**os.environ, "PGPASSWORD": server.password},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "ERROR" not in done.stderr
        assert "WARNING" not in done.stderr
    assert postgres.grant() == []
    postgres.call(postgres.loader, "run")


def test_an_administrator_who_is_no_superuser(postgres: Granted) -> None:
    """As hosted PostgreSQL has them: may make roles, and owns the database."""
    admin = f"admin_{postgres.loader[-8:]}"
    postgres.administer(f"CREATE ROLE {admin} LOGIN CREATEROLE PASSWORD '{PASSWORD}'")
    postgres.administer(f"ALTER DATABASE {postgres.database} OWNER TO {admin}")
    for _ in range(2):
        postgres.ask(admin, postgres.script("--dedicated"))
    assert postgres.run(postgres.script()) == []
    for role in (postgres.loader, postgres.reader):
        postgres.administer(f"ALTER ROLE {role} PASSWORD '{PASSWORD}'")
    postgres.call(postgres.loader, "run")
    postgres.call(postgres.reader, "report")
    assert postgres.refuses(postgres.reader, "SELECT name FROM order_address")


def test_tables_of_a_newer_orderpull_are_left_alone(postgres: Granted) -> None:
    """An older script undoes nothing: it stops, and all of it is rolled back."""
    postgres.grant()
    postgres.administer(f"INSERT INTO orders.orderpull_schema VALUES ({SCHEMA_VERSION + 1})")
    (said,) = postgres.run(postgres.script("--names"))
    assert "A newer orderpull made these tables" in said
    assert postgres.refuses(postgres.reader, "SELECT name FROM order_address")


def test_tables_of_somebody_else_are_left_alone(place: Granted) -> None:
    """One by the name of ours stops the script; it stays whose it is."""
    place.administer("CREATE SCHEMA orders")
    place.administer("CREATE TABLE orders.order_item (a integer)")
    assert place.run(place.script()) != []
    owner = "SELECT tableowner FROM pg_tables WHERE schemaname = 'orders'"
    assert place.made.query(owner) == [(place.server.user,)]


def test_a_loader_that_owns_nothing(postgres: Granted) -> None:
    """Somebody else owns the tables; the loader loads, and can change and drop none."""
    owner = f"owner_{postgres.loader[-8:]}"
    assert postgres.grant("--owner", owner, "--dedicated") == []
    postgres.call(postgres.loader, "check")
    postgres.call(postgres.loader, "run")
    postgres.call(postgres.loader, "replay")
    postgres.call(postgres.reader, "report")
    for statement in (*NOT_THE_LOADERS, *NOT_WITHOUT_OWNING):
        assert postgres.refuses(postgres.loader, statement), statement
    assert postgres.refuses(postgres.reader, "SELECT name FROM order_address")
    who = f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{owner}'"
    assert postgres.made.query(who) == [(False,)]


def test_a_loader_who_may_not_keep_the_summaries_asks_nothing(postgres: Granted) -> None:
    """One right less is found before anything is asked of the shop: exit 2."""
    postgres.grant("--owner", f"owner_{postgres.loader[-8:]}")
    postgres.administer(f"REVOKE UPDATE ON orders.summary_state FROM {postgres.loader}")
    told = postgres.call(postgres.loader, "run", code=2).stderr
    assert "permission denied for table summary_state" in told
    assert postgres.made.query("SELECT count(*) FROM orders.order_header") == [(0,)]


def test_every_column_with_people_beside_it_is_decided() -> None:
    """A new column of these tables, or a new table, needs a decision whether readers see it."""
    for table in TABLES:
        if table.name in MASKS:
            mask = MASKS[table.name]
            assert sorted((*mask.shown, *mask.hidden)) == sorted(table.names), table.name
    assert {table.name for table in TABLES} - set(MASKS) == {
        "order_item",
        *("orderpull_run", "orderpull_page", "orderpull_cursor", "orderpull_schema"),
        *("summary_day", "summary_line", "summary_year", "summary_sku", "summary_state"),
    }
    assert {"name", "line1", "line2"} <= set(MASKS["order_address"].hidden)
    assert "customer" in MASKS["order_header"].hidden
    assert "raw" in MASKS["orderpull_reject"].hidden


def test_a_column_that_nobody_decided_on_is_not_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even by mistake: what is not said to be shown is not."""
    mask = MASKS["order_address"]
    monkeypatch.setitem(MASKS, "order_address", Mask(mask.shown[:-1], mask.hidden))
    grants = [line for line in script(GrantPlan("redshift", "dev")).splitlines() if "GRANT" in line]
    (granted_,) = (line for line in grants if "order_address" in line)
    assert '"source"' not in granted_


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"reader": "orders_loader"}, "loader and reader have one name"),
        ({"reader": "Orders_Loader"}, "loader and reader have one name"),
        ({"owner": "orders_reader"}, "have one name"),
        ({"reader": "public"}, "'public' cannot be the name of the reader"),
        ({"reader": "PUBLIC"}, "cannot be the name of the reader"),
        ({"reader": ""}, "The reader has no name"),
        ({"owner": ""}, "The owner has no name"),
        ({"database": ""}, "The database has no name"),
        ({"schema": "a\nDROP TABLE b"}, "cannot be the name of the schema"),
        ({"schema": "a\u2028b"}, "cannot be the name of the schema"),
        ({"loader": "a\0b"}, "cannot be the name of the loader"),
        ({"loader": "ä" * 32}, "At most 63 bytes"),
        ({"kind": "redshift", "owner": "somebody"}, "On Redshift the loader owns its tables"),
        ({"kind": "duckdb"}, "A DuckDB file has no users"),
    ],
)
def test_names_that_are_none(words: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        GrantPlan(**{"kind": "postgresql", "database": "orders", **words})
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (
            "postgresql://ada@db.example.com:5432/shop?sslmode=require",
            ("postgresql", "shop", "ada"),
        ),
        ("postgres:///?dbname=shop&user=ada", ("postgresql", "shop", "ada")),
        ("redshift://IAMR%3Aada@host:5439/dev", ("redshift", "dev", "IAMR:ada")),
        ("duckdb:///orders.duckdb", ("duckdb", "orders.duckdb", "")),
    ],
)
def test_what_a_url_names(url: str, place: tuple[str, str, str]) -> None:
    assert parse_url(url) == place


def test_it_takes_names_from_the_settings(tmp_path: Path) -> None:
    """Kind, database and loader; --for needs no settings."""
    file = tmp_path / "orderpull.toml"
    source = '[sources.shop]\napi = "skubana-assessment"\nbase_url = "http://127.0.0.1:9"\n'

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(main, ["--config", str(file), "grants", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    assert 'ON DATABASE "orders" TO "orders_loader"' in call("--for", "postgresql")
    assert 'ON DATABASE "dev" TO "orders_loader"' in call("--for", "redshift")
    assert "no settings" in call(code=2).lower() or "orderpull.toml" in call(code=2)
    file.write_text(f'[destination]\nurl = "postgresql://ada@host:5432/shop"\n{source}')
    assert 'ON DATABASE "shop" TO "ada"' in call()
    assert 'ON DATABASE "other" TO "bob"' in call("--loader", "bob", "--database", "other")
    file.write_text(source)
    assert "A DuckDB file has no users" in call(code=2)

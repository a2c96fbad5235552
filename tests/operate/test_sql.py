"""``orderpull sql``: read only, exact, and never in the way."""

import csv
import io
import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from rich.console import Console

from orderpull.answers.filter import Filter
from orderpull.answers.from_orders import OrderQueries
from orderpull.destinations import open_destination
from orderpull.destinations.protocol import QueryResult
from orderpull.errors import OrderpullError, UsageError
from orderpull.operate import query as operate
from orderpull.operate.shell import Shell, history, history_file
from orderpull.terminal.tables import show_answer
from tests.operate.home import NUMBERS, House, house
from tests.warehouses import KINDS

BREAKING = """SELECT 1 AS n, '' AS empty, NULL AS nothing, 'a"b' AS quote, 'x,y' AS comma,
                     chr(92) || '.' AS dot, 'two' || chr(10) || 'lines' AS lf, '😀 家族' AS wide,
                     CAST('1.50' AS DECIMAL(19,4)) AS money, chr(27) || '[2J' || chr(155) AS esc,
                     TIMESTAMP '2026-01-01 08:00:00.000001' AS at, true AS yes"""


@pytest.fixture(scope="module", params=KINDS)
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:  # fmt: skip
    with house(request.param, tmp_path_factory.mktemp("house") / "a") as made:
        yield made


def test_json_is_exact(home: House) -> None:
    (row,) = json.loads(home.call("sql", BREAKING, "--json").stdout, parse_float=str)
    assert row == {
        "n": 1, "empty": "", "nothing": None, "quote": 'a"b', "comma": "x,y", "dot": "\\.",
        "lf": "two\nlines", "wide": "😀 家族", "money": "1.5000", "esc": "\x1b[2J\x9b",
        "at": "2026-01-01T08:00:00.000001Z", "yes": True,
    }  # fmt: skip


def test_csv_is_exact(home: House) -> None:
    text = home.call("sql", BREAKING).stdout
    assert ',"",,"a""b","x,y",' in text
    (names, row) = csv.reader(io.StringIO(text, newline=""))
    found = dict(zip(names, row, strict=True))
    assert found["lf"] == "two\nlines"
    assert found["esc"] == "\x1b[2J\x9b"
    assert found["money"] == "1.5000"


def test_all_rows_come_unless_fewer_are_asked_for(home: House) -> None:
    """From a pipe, too; that there are more is said apart from them."""
    ask = "SELECT ordernumber FROM order_header"
    every = json.loads(home.call("sql", "--json", stdin=ask + ";\n").stdout)
    assert {row["ordernumber"] for row in every} >= set(NUMBERS) - {"Ä1", "1", "#9"}
    few = home.call("sql", "-", "--limit", "3", stdin=ask)
    assert len(few.stdout.splitlines()) == 4
    assert "more than 3 rows" in few.stderr
    all_ = home.call("sql", ask, "--limit", str(len(every)))
    assert all_.stderr == ""
    assert home.call("sql", "SELECT 1 AS one WHERE 1 = 0", "--json").stdout == "[]\n"


def test_more_rows_than_are_fetched_at_once(home: House) -> None:
    """None is lost between two fetches, and none comes twice."""
    pairs = "SELECT row_number() OVER () AS n FROM order_item a, order_item b, order_item c"
    found = [row["n"] for row in json.loads(home.call("sql", pairs, "--json").stdout)]
    assert len(found) > 5000
    assert sorted(found) == list(range(1, len(found) + 1))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO order_item VALUES ('x', 'y', 1, 'shop')",
        "DELETE FROM order_item",
        "DROP TABLE order_item",
        "CREATE TABLE mine AS SELECT 1 AS x",
        "UPDATE order_item SET quantity = 0",
        "SELECT 1; DROP TABLE order_item",
        "COMMIT",
        "SET TimeZone = 'Asia/Tokyo'",
        "COPY order_item TO '/tmp/never-written'",
        "",
    ],
)
def test_nothing_can_be_written(home: House, statement: str) -> None:
    """Refused in words, exit 2; every row stays."""
    before = home.origin.query("SELECT count(*), sum(quantity) FROM order_item")
    told = home.call("sql", statement or " ", code=2).stderr
    assert "Traceback" not in told
    assert "→" in told
    assert home.origin.query("SELECT count(*), sum(quantity) FROM order_item") == before
    assert not Path("/tmp/never-written").exists()


@pytest.mark.slow
def test_postgresql_writes_by_no_back_door(tmp_path: Path) -> None:
    with house("postgresql", tmp_path / "a") as home:
        for statement in (
            "WITH gone AS (DELETE FROM order_item RETURNING *) SELECT * FROM gone",
            "SELECT * FROM order_item FOR UPDATE",
            "SELECT set_config('transaction_read_only', 'off', false)",
            "EXPLAIN ANALYZE DELETE FROM order_item",
        ):
            home.call("sql", statement, code=2)
        assert home.origin.query("SELECT count(*) FROM order_item") != [(0,)]


def test_duckdb_reads_no_other_file(tmp_path: Path) -> None:
    """Nor a variable of this process."""
    with house("duckdb", tmp_path / "a") as home:
        (home.folder / "other.csv").write_text("a\n1\n")
        for statement in (
            f"SELECT * FROM read_csv('{home.folder}/other.csv')",
            f"SELECT * FROM '{home.folder}/other.csv'",
            "SELECT * FROM rows",
        ):
            home.call("sql", statement, code=2)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("SELECT nothing_here FROM order_item", "(line 1, column 8)"),
        ("SELECT 'é',\n  nothing_here FROM order_item;", "(line 2, column 3)"),
        ("SELECT *\nFROM nowhere", "(line 2, column 6)"),
    ],
)
def test_wrong_sql_is_told_with_its_place(home: House, statement: str, place: str) -> None:
    told = home.call("sql", statement, code=2).stderr
    assert f"The SQL is wrong {place}: " in told


def test_what_is_wrong_quotes_no_row(home: House) -> None:
    """A value that cannot be converted is not repeated: it may be somebody's name."""
    ask = "SELECT CAST(name AS INTEGER) FROM order_address WHERE name LIKE '%家族'"
    told = home.call("sql", ask, code=2).stderr
    assert "The SQL is wrong" in told
    assert "家族" not in told


@pytest.mark.slow
def test_nothing_stands_among_the_rows(tmp_path: Path) -> None:
    """Not even how far a slow statement has got, in a Python that has no script."""
    with house("duckdb", tmp_path / "a") as home:
        ask = "SELECT sum(a.i * b.i) AS s FROM range(100000) a(i), range(8000) b(i)"
        program = "import sys; from orderpull.cli import main; main(['sql', sys.argv[1]])"
        done = subprocess.run(
            [sys.executable, "-c", program, ask],
            cwd=home.folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout.splitlines() == ["s", str(sum(range(100000)) * sum(range(8000)))]


def test_a_slow_statement_is_given_up(tmp_path: Path) -> None:
    with house("postgresql", tmp_path / "a") as home:
        file = home.folder / "orderpull.toml"
        file.write_text(file.read_text().replace("lock_wait = 5", "timeout = 0.2"))
        told = home.call("sql", "SELECT pg_sleep(30)", code=2).stderr
        assert "took longer than 0.2 s" in told


def test_all_that_is_asked_is_of_one_instant(tmp_path: Path) -> None:
    """What is loaded meanwhile is not seen by whoever has begun to read, nor held up by him."""
    with house("postgresql", tmp_path / "a") as home:
        settings = home.settings()
        destination = open_destination(settings.destination, settings.folder)
        with destination.reader() as reader:
            before = reader.rows(OrderQueries().popular_sku(Filter()))
            home.origin.query("DELETE FROM order_item")
            assert reader.rows(OrderQueries().popular_sku(Filter())) == before
            assert len(list(reader.query("SELECT * FROM order_item").rows)) > 0
        with destination.reader() as reader:
            assert reader.rows(OrderQueries().popular_sku(Filter())) == []


def test_a_reader_is_in_nobodys_way(tmp_path: Path) -> None:
    with (
        house("duckdb", tmp_path / "a") as home,
        operate.run_query(home.settings(), "SELECT * FROM order_item") as answer,
    ):
        next(answer.rows)
        with duckdb.connect(str(home.folder / "orders.duckdb")) as writer:
            writer.execute("DELETE FROM order_item")


def drawn(columns: tuple[str, ...], rows: list[tuple[Any, ...]], width: int = 60, limit: int = 9) -> str:  # fmt: skip
    console = Console(width=width, file=io.StringIO(), highlight=False, force_terminal=True)
    show_answer(QueryResult(columns, iter(rows)), console, limit)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_is_safe_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """NULL and '' are told apart; no text steers the terminal, a column's name neither."""
    shown = drawn(
        ("a", "b", "\x1b]0;"), [(None, "", "\x1b[31m\x9b\u202e[bold]"), (1, "👩\u200d👧", "\n")]
    )
    assert "NULL" in shown
    assert "''" in shown
    assert "\\x1b[31m\\x9b\\u202e[bold]" in shown
    assert "\\x1b]0;" in shown
    assert "👩\u200d👧" in shown
    assert "\\n" in shown
    assert not {"\x9b", "\u202e", "\x1b]"} & set(shown)
    assert "\x1b[31m" not in shown


def test_a_wide_answer_is_shown_row_by_row() -> None:
    """Instead of columns too narrow to read."""
    shown = drawn(tuple("abcdefgh"), [("0123456789",) * 8])
    assert shown.count("0123456789") == 8
    assert "row 1" in shown


def test_a_table_says_that_there_is_more() -> None:
    rows = [(n,) for n in range(10)]
    assert "first 9 rows; --limit" in drawn(("n",), rows)
    assert "10 rows" in drawn(("n",), rows, limit=10)


@pytest.mark.parametrize(
    ("text", "complete", "rest"),
    [
        ("select 1;", ["select 1"], ""),
        ("select 1; select 2; sel", ["select 1", "select 2"], "sel"),
        ("select ';'", [], "select ';'"),
        ("select ';\n", [], "select ';\n"),
        ("select 'it''s;' ;", ["select 'it''s;'"], ""),
        ('select ";" -- ;\n;', ['select ";" -- ;'], ""),
        ("/* ; */ select 1 /* ;", [], "/* ; */ select 1 /* ;"),
        ("select $a$;$a$;", ["select $a$;$a$"], ""),
        (";;", [], ""),
    ],
)
def test_where_statements_end(text: str, complete: list[str], rest: str) -> None:
    assert operate.statements(text) == (complete, rest)


def test_two_columns_of_one_name() -> None:
    assert operate.unique_names(("a", "a", "b", "a")) == ("a", "a_2", "b", "a_3")


class Typist:
    """Types lines at a shell, and remembers what it answered."""

    def __init__(self, *lines: str | BaseException) -> None:
        self.lines = iter(lines)
        self.prompts: list[str] = []
        self.answers: list[tuple[tuple[str, ...], list[tuple[Any, ...]]]] = []
        self.errors: list[OrderpullError] = []

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        line = next(self.lines, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    def show(self, answer: QueryResult) -> None:
        self.answers.append((answer.columns, list(answer.rows)))

    def at(self, home: House) -> "Typist":
        shell = Shell(
            home.settings(), self.show, self.errors.append, lambda _: None, read=self.read
        )
        shell.run()
        return self


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_shell(home: House, state: Path) -> None:
    """Statements over lines; wrong ones and Ctrl-C leave it going; tables are described."""
    typed = Typist(
        "select 1 as a", "  , 2 as b;", "selec;", "drop table order_item;", "select 3", KeyboardInterrupt(),
        "select 4 as c; select 5 as c;", "\\d", "\\d order_header", "\\d popular_sku", "\\d nothing", "\\x",
    ).at(home)  # fmt: skip
    assert typed.answers[0] == (("a", "b"), [(1, 2)])
    assert [rows for _, rows in typed.answers[1:3]] == [[(4,)], [(5,)]]
    assert ("order_item", "table") in typed.answers[3][1]
    assert ("popular_sku", "answer") in typed.answers[3][1]
    assert ("total", "money", "the order's total in major units of the currency") in typed.answers[
        4
    ][1]
    assert [row[0] for row in typed.answers[5][1]] == [
        "sku", "quantity", "orders", "rank", "title", "returned",
    ]  # fmt: skip
    assert len(typed.errors) == 4
    assert all(isinstance(error, UsageError) for error in typed.errors)
    assert [prompt.strip() for prompt in typed.prompts[:3]] == ["orderpull>", "...>", "orderpull>"]


def test_ctrl_c_gives_up_the_statement_alone(home: House, state: Path) -> None:
    """Even while its rows are being fetched."""

    class Impatient(Typist):
        def show(self, answer: QueryResult) -> None:
            next(answer.rows)
            if not self.answers:
                self.answers.append(((), []))
                raise KeyboardInterrupt
            super().show(answer)

    typed = Impatient("select * from order_item;", "select * from order_item;", "\\q").at(home)
    assert len(typed.answers[1][1]) > 0


def test_every_column_of_the_answers_has_a_meaning(home: House, state: Path) -> None:
    for name in ("average_items_per_order", "popular_sku_by_country", "popular_sku"):
        assert all(all(row) for row in operate.describe(home.settings(), name))


def test_history_is_kept_for_its_owner_alone(state: Path) -> None:
    with history():
        pass
    assert history_file() == state / "orderpull" / "sql_history"
    assert stat.S_IMODE(history_file().stat().st_mode) == 0o600

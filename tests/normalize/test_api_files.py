"""An API's file that is wrong: the message names file, key and reason."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderpull.errors import ApiFileError
from orderpull.sources.spec.expression import FUNCTIONS, parse
from orderpull.sources.spec.reader import built_in, parse_api, read_api

GOOD = """
title = "Tea"
[request]
path = "/orders"
[paging]
kind = "page"
param = "page"
size = 50
[cursor]
path = "changed"
lower = "since"
[records]
path = "data.orders"
[order]
id = "id"
number = "no"
modified_at = "changed"
counted = "present(paid)"
[order.address]
country = "to.country"
[order.lines]
path = "lines"
sku = "article.code"
quantity = "n"
"""

WRONG = [
    # what to change, into what, the message
    ('title = "Tea"', "title = Tea", "tea.toml is not TOML: Invalid value (at line 2, column 9)."),
    ('title = "Tea"\n', "", "tea.toml: the file: Object missing required field `title`."),
    ('title = "Tea"', "title = 1", "tea.toml: title: Expected `str`, got `int`."),
    ('[order.lines]\npath = "lines"\nsku = "article.code"\nquantity = "n"', "",
     "tea.toml: order: Object missing required field `lines`."),
    ('number = "no"\n', "", "tea.toml: order: Object missing required field `number`."),
    ('number = "no"', 'numbr = "no"', "tea.toml: order: Object contains unknown field `numbr`."),
    ('number = "no"', "number = 7", "tea.toml: order.number: Expected `str`, got `int`."),
    ('number = "no"', 'number = ""', "tea.toml: order.number: '' lacks a value."),
    ('number = "no"', 'number = "no."', "tea.toml: order.number: 'no.' is not a path."),
    ('number = "no"', 'number = "[0]"', "tea.toml: order.number: '[0]' is not a path."),
    ('number = "no"', 'number = "a[x]"', "tea.toml: order.number: [x]: in the brackets stands an index, a condition, or nothing."),
    ('number = "no"', 'number = "a[12345]"', "tea.toml: order.number: 'a[12345]' is not a path."),
    ('number = "no"', 'number = "no ref"',
     "tea.toml: order.number: 'no ref' goes on after it should end, at 'ref'."),
    ('number = "no"', 'number = "\'open"',
     "tea.toml: order.number: \"'open\" cannot be read from \"'open\" on."),
    ('number = "no"', "number = \"'always'\"",
     "tea.toml: order.number: \"'always'\" is the same for every order."),
    ('number = "no"', 'number = "present(no)"',
     "tea.toml: order.number: 'present(no)' is a condition."),
    ('number = "no"', 'number = "plus(no, ref)"',
     f"tea.toml: order.number: there is no function 'plus'; known: {', '.join(FUNCTIONS)}."),
    ('number = "no"', 'number = "coalesce(no, ref"',
     "tea.toml: order.number: 'coalesce(no, ref' lacks a closing bracket."),
    ('number = "no"', 'number = "coalesce(no,)"',
     "tea.toml: order.number: 'coalesce(no,)' lacks a value."),
    ('number = "no"', 'number = "upper(no, ref)"',
     "tea.toml: order.number: 'upper(no, ref)': upper() takes one argument."),
    ('number = "no"', 'number = "coalesce(present(no), ref)"',
     "tea.toml: order.number: 'coalesce(present(no), ref)': coalesce() takes values."),
    ('number = "no"', 'number = "join(no, ref)"',
     "tea.toml: order.number: 'join(no, ref)': join(separator, value, …): those values that are not blank; several are trimmed."),
    ('number = "no"', 'number = "no\\u0000"',
     "tea.toml: order.number: 'no\\x00' holds U+0000."),
    ('number = "no"', f'number = "{"upper(" * 30}no{")" * 30}"',
     "tea.toml: order.number: more than 20 functions stand in one another."),
    ('number = "no"', 'number = "sum(a[no].b)"',
     "tea.toml: order.number: [no]: in the brackets stands an index, a condition, or nothing."),
    ('number = "no"', 'number = "sum(a[present(no)]].b)"',
     "tea.toml: order.number: 'a[present(no)]].b' is not a path."),
    ('number = "no"', 'number = "a[present(no)].b"',
     "tea.toml: order.number: 'a[present(no)].b': [] leads to many values, which only sum() takes."),
    ('number = "no"', f'number = "sum({"a[present(" * 30}no{")]" * 30})"',
     "tea.toml: order.number: more than 20 functions stand in one another."),
    ('id = "id"', "id = \"upper('x')\"", "tea.toml: order.id: \"upper('x')\" is the same for every order."),
    ('modified_at = "changed"', "modified_at = \"'2026-01-01'\"",
     "tea.toml: order.modified_at: \"'2026-01-01'\" is the same for every order."),
    ('modified_at = "changed"\n', "",
     "tea.toml: order.modified_at: an API with a [cursor] needs it."),
    ('counted = "present(paid)"', 'counted = "paid"', "tea.toml: order.counted: 'paid' is not a condition."),
    ('counted = "present(paid)"', 'counted = "not(paid)"',
     "tea.toml: order.counted: 'not(paid)': not() takes conditions."),
    ('counted = "present(paid)"', 'counted = "in(paid, yes)"',
     "tea.toml: order.counted: 'in(paid, yes)': in(value, 'a', 'b'): true if the value is one of the texts, in any case."),
    ('country = "to.country"', 'country = "to.."', "tea.toml: order.address.country: 'to..' is not a path."),
    ('country = "to.country"', 'land = "to.country"',
     "tea.toml: order.address: Object contains unknown field `land`."),
    ('country = "to.country"', 'country = "to.country"\ncity = "to[0].city"',
     "tea.toml: order: to is read as an object and as a list."),
    ('country = "to.country"', 'country = "to.country"\ncity = "to.country.city"',
     "tea.toml: order: to.country is read as a text and as an object."),
    ('country = "to.country"', 'country = "lines.country"',
     "tea.toml: order: lines is read as an object and as a list."),
    ('sku = "article.code"', "sku = \"'TEA'\"",
     "tea.toml: order.lines.sku: \"'TEA'\" is the same for every order."),
    ('sku = "article.code"', 'sku = "coalesce(article.code, article)"',
     "tea.toml: order: lines[].article is read as an object and as a text."),
    ('quantity = "n"', 'quantity = "lower(n)"',
     "tea.toml: order.lines.quantity: expected a path, or coalesce() of paths."),
    ('path = "lines"', 'path = "lines[].a[].b"',
     "tea.toml: order.lines.path: 'lines[].a[].b' is not the path of a list, such as data.edges[].node."),
    ('path = "lines"', 'path = "$"', "tea.toml: order.lines.path: '$' is the order itself."),
    ('path = "data.orders"', 'path = "$.orders"',
     "tea.toml: records.path: '$.orders': '$' stands alone, or before []."),
    ('path = "data.orders"', 'path = "data[0].orders"',
     "tea.toml: records.path: 'data[0].orders' is not the path of a list, such as data.edges[].node."),
    ('path = "data.orders"', 'path = ""',
     "tea.toml: records.path: '' is not the path of a list, such as data.edges[].node."),
    ('path = "changed"', 'path = "times[0]"',
     "tea.toml: cursor.path: 'times[0]' has an index where only keys may stand."),
    ('param = "page"\n', "", "tea.toml: paging.param: paging by page needs it."),
    ("size = 50\n", "", "tea.toml: paging.size: paging by page needs it."),
    ("size = 50", "size = 0", "tea.toml: paging.size: Expected `int` >= 1."),
    ('kind = "page"', 'kind = "pages"', "tea.toml: paging.kind: Invalid enum value 'pages'."),
    ('kind = "page"', 'kind = "drain"', "tea.toml: paging.kind: drain cannot be combined with [cursor]."),
    ('title = "Tea"', 'title = "Tea"\nconsume_once = true',
     "tea.toml: paging.kind: a consume-once API is read by drain or single."),
    ('kind = "page"', 'kind = "page"\ntotal = "meta..n"', "tea.toml: paging.total: 'meta..n' is not a path."),
]  # fmt: skip


def test_the_good_one_is_good() -> None:
    """What the wrong ones are made of is read."""
    api = parse_api(GOOD, "tea.toml")
    assert api.record_path.steps == ("data", "orders")


@pytest.mark.parametrize(("part", "instead", "message"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_file_is_told_by_key_and_reason(part: str, instead: str, message: str) -> None:
    """Each mistake names the file, the key it stands under, and what is wrong with it."""
    assert GOOD.count(part) >= 1
    with pytest.raises(ApiFileError) as told:
        parse_api(GOOD.replace(part, instead, 1), "tea.toml")
    assert told.value.message == message
    assert told.value.exit_code == 2


def test_no_such_api(tmp_path: Path) -> None:
    """A name that is none of the built-in ones names the nearest."""
    with pytest.raises(ApiFileError) as told:
        read_api("medussa", tmp_path)
    assert str(told.value) == "There is no api 'medussa'. Did you mean 'medusa'?"
    with pytest.raises(ApiFileError) as told:
        read_api("zzz", tmp_path)
    assert str(told.value) == f"There is no api 'zzz'. Built in: {', '.join(built_in())}."


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A file that is not there, or no text, is told by its path."""
    with pytest.raises(ApiFileError, match=r"tea\.toml cannot be read: .*No such file"):
        read_api("tea.toml", tmp_path)
    (tmp_path / "tea.toml").write_bytes(b"\xff")
    with pytest.raises(ApiFileError, match=r"tea\.toml cannot be read: .*can't decode"):
        read_api("tea.toml", tmp_path)


def test_a_file_of_ones_own_is_read_beside_the_settings(tmp_path: Path) -> None:
    """A name that ends in .toml is a path from the settings' folder."""
    (tmp_path / "tea.toml").write_text(GOOD, encoding="utf-8")
    assert read_api("tea.toml", tmp_path).title == "Tea"


WORDS = st.sampled_from(
    [
        *FUNCTIONS,
        "(",
        ")",
        ",",
        "'",
        "''",
        "'a'",
        " ",
        "[0]",
        "[",
        "]",
        ".",
        "a",
        "b.c",
        "\0",
        "é",
        "$",
    ]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=30).map("".join)))
def test_any_text_is_an_expression_or_told_to_be_none(text: str) -> None:
    """The parser of expressions gives an expression or a ValueError, whatever it is given."""
    told = "an expression"
    try:
        parse(text)
    except ValueError as error:
        told = str(error)
    assert told


@pytest.mark.slow
def test_functions_in_functions_in_functions() -> None:
    """However deep it is nested, an expression is read or told to be none."""
    assert parse("upper(" * 20 + "a" + ")" * 20)
    for depth in (21, 1000, 100_000):
        with pytest.raises(ValueError, match="more than 20 functions"):
            parse("upper(" * depth + "a" + ")" * depth)

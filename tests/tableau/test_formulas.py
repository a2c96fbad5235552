"""Formulas: what can be read, and what each gives."""

import pytest

from orderpull.tableau.formula import FormulaError, fields, parse
from orderpull.tableau.formula_types import FormulaType, type_of

KNOWN = {
    "Sales": FormulaType("number", "row"),
    "Name": FormulaType("string", "row"),
    "Day": FormulaType("datetime", "row"),
    "Total": FormulaType("number", "group"),
}


@pytest.mark.parametrize(
    ("formula", "type_", "level"),
    [
        ("1 + 2 * 3", "number", "constant"),
        ("SUM([Sales]) / [Total]", "number", "group"),
        ('[Name] + "/" + [Name]', "string", "row"),
        ("// a comment\nSUM([Sales]) /* another */", "number", "group"),
        ("IF [Sales] > 1 AND NOT [Name] = 'x' THEN 'a' ELSEIF TRUE THEN 'b' ELSE 'c' END",
         "string", "row"),
        ("CASE [Name] WHEN 'a' THEN 1 WHEN 'b' THEN 2 END", "number", "row"),
        ("{ FIXED [Name] : MAX([Day]) }", "datetime", "row"),
        ("{ MAX([Day]) }", "datetime", "row"),
        ("RANK_UNIQUE(RANK(SUM([Sales]), 'desc') * (SIZE() + 1) + INDEX(), 'asc')",
         "number", "sheet"),
        ("[Day] - [Day]", "number", "row"),
        ("[Day] >= #2026-01-01#", "boolean", "row"),
        ("[Name] IN ('a', 'b')", "boolean", "row"),
        ("-[Sales] ^ 2", "number", "row"),
        ("MIN([Sales], 3)", "number", "group"),
    ],
)  # fmt: skip
def test_what_it_gives(formula: str, type_: str, level: str) -> None:
    assert type_of(parse(formula), KNOWN) == FormulaType(type_, level)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("SUM([Sales]", "the end is where"),
        ("SUM([Sales]))", r"\) is where the end is expected"),
        ("1 +", "where a value is expected"),
        ("IF 1 = 1 THEN 2", "is where"),
        ("[Sales] ~ 2", "is unexpected"),
        ("", "the end is where a value is expected"),
        ("SUM", "is where"),
        ("[Other]", r"the field \[Other\] does not exist"),
        ("MEADIAN([Sales])", "the function MEADIAN is unknown"),
        ("RANK()", "does not take 0 arguments"),
        ("SUM([Total])", "aggregates an aggregate"),
        ("[Total] + [Sales]", "combined with an aggregate"),
        ("RANK([Sales])", "needs an aggregate"),
        ("{ FIXED [Total] : SUM([Sales]) }", "not a dimension"),
        ("{ [Sales] }", "not an aggregate"),
        ("[Name] = 1", "compares"),
        ("[Name] AND TRUE", "does not take"),
        ("IF [Sales] THEN 1 END", "not boolean"),
        ("IF TRUE THEN 1 ELSE 'a' END", "IF returns"),
    ],
)
def test_what_is_none(formula: str, said: str) -> None:
    with pytest.raises(FormulaError, match=said):
        type_of(parse(formula), KNOWN)


def test_the_fields_of_a_formula() -> None:
    tree = parse("IF [a] = 1 THEN { FIXED [b] : SUM([c]) } ELSE -[d] END")
    assert fields(tree) == {"a", "b", "c", "d"}


@pytest.mark.parametrize("formula", ["(" * 5000 + "1" + ")" * 5000, " + ".join(["1"] * 5000)])
def test_what_is_nested_too_deep(formula: str) -> None:
    with pytest.raises(FormulaError, match="too deeply"):
        parse(formula)

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
        ("SUM([Sales]", "the end stands where"),
        ("SUM([Sales]))", r"\) stands where the end should"),
        ("1 +", "where a value should"),
        ("IF 1 = 1 THEN 2", "stands where"),
        ("[Sales] ~ 2", "begins nothing"),
        ("", "the end stands where a value should"),
        ("SUM", "stands where"),
        ("[Other]", "no field"),
        ("MEADIAN([Sales])", "no function MEADIAN"),
        ("RANK()", "takes no 0 arguments"),
        ("SUM([Total])", "aggregates what is aggregated"),
        ("[Total] + [Sales]", "beside an aggregate"),
        ("RANK([Sales])", "needs what is aggregated"),
        ("{ FIXED [Total] : SUM([Sales]) }", "no dimension"),
        ("{ [Sales] }", "not aggregated"),
        ("[Name] = 1", "compares"),
        ("[Name] AND TRUE", "takes no"),
        ("IF [Sales] THEN 1 END", "no condition"),
        ("IF TRUE THEN 1 ELSE 'a' END", "IF gives"),
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
    with pytest.raises(FormulaError, match="too deep"):
        parse(formula)

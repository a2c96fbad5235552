"""The hot path costs no more instructions than its budget: ``make bench-instructions``."""

from pathlib import Path

import pytest
from bench.instructions import VERSION, budgets, count, missing

MARGIN = 0.05
"""Above the budget: a hundred times what counts of the same code lie apart (docs/benchmarks.md)."""


@pytest.mark.slow
@pytest.mark.skipif(bool(missing()), reason=missing())
def test_a_fixed_load_costs_no_more_than_its_budget(tmp_path: Path) -> None:
    """A change that costs more shows why, and renews it: make bench-instructions ARGS=--renew."""
    budget, counted = budgets()[VERSION], count(tmp_path)
    over = {
        step: f"{counted[step] / limit - 1:+.1%}"
        for step, limit in budget.items()
        if counted[step] > limit * (1 + MARGIN)
    }
    assert over == {}, f"{counted}, and the budget is {budget}"

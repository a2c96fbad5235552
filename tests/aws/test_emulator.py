"""The handler behind Amazon's runtime interface emulator: cold, warm, and with an error."""

import pytest

from orderpull.simulator import Simulator, SkubanaAssessment
from tests.aws.account import SECRET, AwsAccount
from tests.aws.emulator import Emulated, emulator


@pytest.fixture
def emulated(account: AwsAccount) -> AwsAccount:
    """An account, where the emulator can be had."""
    try:
        emulator()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    return account


@pytest.mark.long
def test_cold_warm_and_an_error(emulated: AwsAccount) -> None:
    """What the caller gets is what the handler answered; an error is one of Lambda's."""
    account = emulated
    with Simulator(SkubanaAssessment(orders=60, per_call=20)) as simulator:
        account.add("shop", simulator.url)
        with Emulated(account.folder, account.environment()) as function:
            cold = function.invoke({"do": "run"})
            warm = function.invoke({})
            wrong = function.invoke({"do": "fly"})
            again = function.invoke({"do": "load"})
            log = function.log()
        account.settled(simulator).check(0)
    assert cold.get("ok"), (cold, log)
    assert cold["sources"]["shop"]["inserted"] == 60
    assert (warm["ok"], warm["sources"]["shop"]["fetched"]) == (True, 0)
    assert wrong["errorType"] == "UsageError"
    assert "Use run, dispatch, load or digest." in wrong["errorMessage"]
    assert again["ok"], "an error does not end the function"
    assert log.count('"ColdStart"') >= 1
    assert SECRET not in log

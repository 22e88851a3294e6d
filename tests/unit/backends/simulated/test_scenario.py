"""The grammar of simulated models."""

from typing import Any

import pytest

from app.backends import validate
from app.backends.simulated import Fault, Scenario, read_scenario
from app.settings import Deployment


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("echo", Scenario(answer="echo")),
        ("lorem-3", Scenario(texts=("lorem ipsum dolor",))),
        ("tools", Scenario(answer="tools")),
        ("tools-2", Scenario(answer="tools", calls=2)),
        ("refusal", Scenario(answer="refusal")),
        ("empty+no-usage", Scenario(answer="empty", usage=False)),
        ("thinking-2+echo", Scenario(answer="echo", thinking="lorem ipsum")),
        ("echo+slow-start-2+pace-20", Scenario(answer="echo", first_delay=2, delay=0.02)),
        ("slow-start-0.5+echo", Scenario(answer="echo", first_delay=0.5)),
        ("status-429+retry-after-7", Scenario(fault=Fault(kind="status", status=429, retry_after=7))),
        ("stall", Scenario(fault=Fault(kind="stall"))),
        ("cut-5+echo", Scenario(answer="echo", fault=Fault(kind="cut", after_chunks=5))),
        ("error-event-2", Scenario(fault=Fault(kind="error_event", after_chunks=2))),
        ("disconnect-0+rate-30", Scenario(fault=Fault(kind="disconnect", after_chunks=0, rate=0.3))),
        ("status-503+every-3", Scenario(fault=Fault(kind="status", every=3))),
        ("status-503+first-2", Scenario(fault=Fault(kind="status", first=2))),
    ],
)
def test_words_of_a_name(name: str, expected: Scenario) -> None:
    assert read_scenario(name, {}) == expected


def test_params_say_the_same_and_win() -> None:
    params = {"text": "hi", "delay": 0.5, "fault": {"status": 500}, "api_key": "sk-ignored"}
    expected = Scenario(texts=("hi",), delay=0.5, fault=Fault(kind="status", status=500))
    assert read_scenario("lorem-9+status-503+pace-1", params) == expected


@pytest.mark.parametrize(
    ("name", "params", "named"),
    [
        ("ech", {}, "'ech' .*did you mean echo.*error-event, every"),
        ("echo+", {}, "''"),
        ("", {}, "''"),
        ("echo-3", {}, "echo takes no number"),
        ("cut-1.5", {}, "cut-1.5"),
        ("pace", {}, "'pace' needs a number"),
        ("cut+stall", {}, "one fault at a time"),
        ("rate-30", {}, "need a fault"),
        ("status-503+rate-300", {}, "rate"),
        ("status-503+every-0", {}, "every"),
        ("echo", {"dellay": 1}, "dellay"),
        ("echo", {"delay": "soon"}, "delay"),
        ("echo", {"fault": {"kind": "explode"}}, "explode"),
        ("echo", {"chunk_size": 0}, "chunk_size"),
        ("echo+cached-101", {}, "cached"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, params: dict[str, Any], named: str) -> None:
    deployment = Deployment(
        id="d", model_name="m", model=f"simulated/{name}", provider="simulated", backend="simulated", params=params
    )
    with pytest.raises(ValueError, match=named):
        validate(deployment)


@pytest.mark.parametrize(
    ("fault", "hit"),
    [
        (Fault(kind="cut"), [1, 2, 3, 4, 5, 6]),
        (Fault(kind="cut", every=3), [3, 6]),
        (Fault(kind="cut", first=2), [1, 2]),
        (Fault(kind="cut", every=2, first=4), [2, 4]),
        (Fault(kind="cut", rate=0.5), []),
    ],
)
def test_which_requests_a_fault_meets(fault: Fault, hit: list[int]) -> None:
    assert [number for number in range(1, 7) if fault.meets(number, draw=0.7)] == hit

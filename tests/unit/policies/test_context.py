from app.policies import PolicyContext
from flowspan.testing import user_request


def test_what_a_policy_keeps_is_made_once_for_a_transaction_and_is_its_own() -> None:
    context = PolicyContext("txn_1", user_request("Hello"))
    one, other = object(), object()
    kept = context.state(one, list[str])
    kept.append("x")
    assert context.state(one, list[str]) == ["x"]
    assert context.state(other, list[str]) == []
    assert PolicyContext("txn_2", user_request("Hello")).state(one, list[str]) == []


def test_the_scratchpad_is_shared_and_separate_from_state() -> None:
    context = PolicyContext("txn_1", user_request("Hello"))
    context.state(context, dict[str, int])
    context.scratchpad["flag"] = True
    assert context.scratchpad == {"flag": True}

"""Acts travel as what they are, and each has a route, a name by which it is counted, and a way to be merged."""

import msgspec
import pytest

from app.admin.acts import ACTS, NAMES, Act, CancelRequest, OpenBreaker, Reload, SetWeight, decode_act
from app.admin.application import ROUTES
from app.admin.merging import MERGERS, merged


def test_every_act_has_a_route_and_none_has_two() -> None:
    assert sorted(kind.__name__ for _, _, kind in ROUTES) == sorted(kind.__name__ for kind in ACTS)


def test_the_names_of_those_that_change_nothing_say_so() -> None:
    for method, path, kind in ROUTES:
        looks = str(kind.__struct_config__.tag).startswith(("get_", "list_"))
        assert looks is (method == "GET"), path


def test_names_are_those_of_the_field() -> None:
    assert {"list_keys", "revoke_key", "open_breaker", "drain_deployment", "set_log_level", "reload"} <= set(NAMES)


@pytest.mark.parametrize("act", [OpenBreaker("east", 30.0), SetWeight("east", 0.5), Reload(), CancelRequest("txn_1")])
def test_an_act_goes_from_process_to_process(act: Act) -> None:
    assert decode_act(msgspec.msgpack.encode(act)) == act


def test_what_is_no_act_is_refused() -> None:
    for data in ({"act": "open_breaker"}, {"act": "open_breaker", "breaker": "a", "seconds": 0}, {"act": "stop"}, {}):
        with pytest.raises(msgspec.ValidationError):
            decode_act(msgspec.msgpack.encode(data))


def test_the_audit_log_gets_the_arguments_that_are_set() -> None:
    assert OpenBreaker("east").arguments == {"breaker": "east"}
    assert OpenBreaker("east", 30.0).arguments == {"breaker": "east", "seconds": 30.0}
    assert Reload().arguments == {}


def test_outcomes_of_every_act_can_be_merged() -> None:
    assert set(MERGERS) == set(ACTS)
    for kind in ACTS:
        assert merged(_any(kind), [{"n": 1}]) == {"n": 1}


def _any(kind: type[Act]) -> Act:
    values = {"key": "k", "breaker": "b", "deployment": "d", "level": "info", "transaction_id": "t"}
    return kind(**{name: values[name] for name in kind.__struct_fields__ if name in values})

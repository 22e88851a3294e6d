"""Who may call, and what of a request's head counts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.errors import AuthenticationFailed, InvalidRequest, PermissionDenied
from app.gateway.authentication import ApiKeys, LocalCallers, callers_of, check_head, header_map
from app.gateway.revocations import RevokedKeys
from app.settings import Key, Settings, digest_of
from tests.unit.telemetry.fakes import ManualClock

KEYS = ApiKeys([Key.in_clear("first-key"), Key.in_clear("zweiter-schlüssel")])


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer   first-key"},
        {"x-api-key": "first-key"},
        {"authorization": "Basic abc", "x-api-key": "first-key"},
        {"x-api-key": "zweiter-schlüssel"},
    ],
)
def test_a_known_key_is_let_in(headers: dict[str, str]) -> None:
    KEYS.find(headers)


def test_a_key_names_its_caller_without_telling_the_key() -> None:
    callers = [KEYS.find({"x-api-key": key}).id for key in ("first-key", "zweiter-schlüssel", "first-key")]
    assert callers[0] == callers[2] != callers[1]
    assert callers[0] == ApiKeys([Key.in_clear("first-key")]).find({"x-api-key": "first-key"}).id
    assert not any(key in callers[0] for key in ("first", "key"))


def named(key: str, name: str | None, expires: datetime | None = None) -> Key:
    return Key(digest_of(key), name, team="platform", labels={"stage": "prod"}, expires=expires)


def test_keys_of_one_name_are_one_caller_and_keys_without_one_are_each_their_own() -> None:
    entries = [named("old", "ci"), named("new", "ci"), named("other", "cd"), named("a", None), named("b", None)]
    keys = ApiKeys(entries)
    old, new, other, a, b = (keys.find({"x-api-key": key}) for key in ("old", "new", "other", "a", "b"))
    assert old.id == new.id
    assert len({old.id, other.id, a.id, b.id}) == 4
    assert (old.name, old.team, old.labels) == ("ci", "platform", {"stage": "prod"})
    assert a.name == b.name == "default"
    assert not Settings(keys=tuple(entries[:2])).has_several_callers
    assert Settings(keys=tuple(entries[1:3])).has_several_callers


def test_a_key_is_refused_from_the_moment_it_expires_while_the_gateway_runs() -> None:
    clock = ManualClock(1000)
    keys = ApiKeys([named("old", "ci", datetime.fromtimestamp(1060, UTC)), named("new", "ci")], clock=clock)
    old, new = (keys.find({"x-api-key": key}) for key in ("old", "new"))
    clock.advance(59)
    keys.check_validity(old)
    clock.advance(1)
    with pytest.raises(AuthenticationFailed, match="has expired"):
        keys.check_validity(old)
    assert keys.find({"x-api-key": "old"}).name == "ci"
    keys.check_validity(new)


def test_a_revoked_key_is_refused_until_it_is_given_back_and_its_holder_is_known() -> None:
    revoked = RevokedKeys()
    keys = ApiKeys([named("old", "ci"), named("new", "ci")], revoked=revoked)
    old, new = (keys.find({"x-api-key": key}) for key in ("old", "new"))
    revoked.revoke(old.digest)
    with pytest.raises(AuthenticationFailed, match="has been revoked") as refused:
        keys.check_validity(keys.find({"x-api-key": "old"}))
    assert refused.value.reason == "revoked"
    keys.check_validity(new)
    revoked.restore(old.digest)
    keys.check_validity(old)


def test_whom_a_request_asks_is_nothing_to_who_has_a_key() -> None:
    KEYS.find({"origin": "https://evil.example", "host": "evil.example", "x-api-key": "first-key"})
    KEYS.check_probe({"host": "10.0.0.1:8080"})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "first-key"},
        {"authorization": "Bearer first-key-and-more"},
        {"authorization": "Bearer wrong", "x-api-key": "first-key"},
        {"x-api-key": ""},
        {"x-api-key": "\udcff"},
    ],
)
def test_anything_else_is_not(headers: dict[str, str]) -> None:
    with pytest.raises(AuthenticationFailed):
        KEYS.find(headers)


def test_the_error_does_not_repeat_the_key() -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        KEYS.find({"x-api-key": "sk-secret-of-somebody"})
    assert "sk-secret" not in str(refused.value)


def test_without_keys_everybody_on_this_machine_is_let_in() -> None:
    callers = callers_of([], ["Flowspan"])
    assert isinstance(callers, LocalCallers)
    assert callers.find({"host": "localhost:8080"}).id == ""
    assert callers.find({"host": "flowspan:8080"}).id == ""


def test_without_keys_pages_of_other_sites_are_kept_out_of_health_too() -> None:
    callers = callers_of([], [])
    for check in (callers.find, callers.check_probe):
        with pytest.raises(PermissionDenied, match="Host header that names another machine"):
            check({"host": "evil.example"})


def test_a_list_may_be_spread_over_several_headers_and_of_others_the_last_one_counts() -> None:
    headers = [
        (b"anthropic-beta", b"one,two"),
        (b"x-api-key", b"a"),
        (b"anthropic-beta", b"three"),
        (b"x-api-key", b"b"),
    ]
    assert header_map({"headers": headers}) == {"anthropic-beta": "one,two,three", "x-api-key": "b"}


def scope(*headers: tuple[str, str], http_version: str = "1.1") -> dict[str, Any]:
    return {"http_version": http_version, "headers": [(name.encode(), value.encode()) for name, value in headers]}


@pytest.mark.parametrize("name", ["authorization", "host", "origin", "sec-fetch-site", "x-api-key"])
def test_who_asks_and_whom_is_said_once(name: str) -> None:
    twice = scope(("host", "h"), (name, "same"), (name, "same"))
    with pytest.raises(InvalidRequest, match=f"more than one {name} header"):
        check_head(twice, header_map(twice))


def test_other_headers_may_come_twice() -> None:
    twice = scope(("host", "h"), ("anthropic-beta", "a"), ("anthropic-beta", "b"), ("x-other", "a"), ("x-other", "b"))
    check_head(twice, header_map(twice))


def test_a_request_has_to_name_its_host() -> None:
    without = scope(("x-api-key", "a"))
    with pytest.raises(InvalidRequest, match="no host header"):
        check_head(without, header_map(without))
    old = scope(("x-api-key", "a"), http_version="1.0")
    check_head(old, header_map(old))

"""Who may call."""

import pytest

from app.errors import AuthenticationFailed
from app.gateway.auth import KeyRing

RING = KeyRing(["first-key", "zweiter-schlüssel"])


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
    RING.check(headers)


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
        RING.check(headers)


def test_the_error_does_not_repeat_the_key() -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        RING.check({"x-api-key": "sk-secret-of-somebody"})
    assert "sk-secret" not in str(refused.value)


def test_without_keys_everybody_is_let_in() -> None:
    KeyRing([]).check({})

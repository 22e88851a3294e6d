"""Who may see the console: this machine's users without a token, elsewhere whoever has it, and never another site."""

import pytest

from app.console.visitors import SESSION, Visitors, local_path

TOKEN = "token-0123456789abc"
HERE = {"host": "localhost:4001"}
OPEN, WITH_TOKEN = Visitors(None), Visitors(TOKEN)


def _status(visitors: Visitors, method: str = "GET", **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = visitors.refusal(method, {**HERE, **named})
    return refusal.status if refusal else None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"host": "127.0.0.1:4001"}, None),
        ({"host": "[::1]:4001"}, None),
        ({"host": "evil.example:4001"}, 403),
        ({"host": "127.0.0.1.evil.example"}, 403),
        ({"host": "two hosts"}, 400),
        ({"host": ""}, 400),
        ({"origin": "https://evil.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-origin"}, None),
    ],
)
def test_without_a_token_the_console_is_for_this_machine(headers: dict[str, str], status: int | None) -> None:
    assert _status(OPEN, **headers) == status


def test_a_name_that_the_configuration_allows_is_this_machine_too() -> None:
    assert _status(Visitors(None, ["Console.Example"]), host="console.example") is None


@pytest.mark.parametrize("visitors", [OPEN, WITH_TOKEN])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"origin": "http://localhost:4001"}, None),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
    ],
)
def test_a_form_has_to_come_from_the_console(visitors: Visitors, headers: dict[str, str], status: int | None) -> None:
    assert _status(visitors, "POST", authorization=f"Bearer {TOKEN}", **headers) == status


def test_with_a_token_it_has_to_be_presented() -> None:
    assert _status(WITH_TOKEN) == 401
    assert _status(WITH_TOKEN, authorization=f"Bearer {TOKEN}") is None
    assert _status(WITH_TOKEN, authorization=f"bearer  {TOKEN}") is None
    assert _status(WITH_TOKEN, authorization=f"Basic {TOKEN}") == 401
    assert _status(WITH_TOKEN, authorization="Bearer tøken") == 401
    assert _status(WITH_TOKEN, host="console.example", authorization=f"Bearer {TOKEN}") is None


def test_a_session_ends_and_cannot_be_forged() -> None:
    session = WITH_TOKEN.session()
    assert TOKEN not in session
    assert _status(WITH_TOKEN, cookie=f"a=b; flowspan_console={session}") is None
    assert _status(WITH_TOKEN, cookie=f"flowspan_console={WITH_TOKEN.session(now=-SESSION)}") == 401
    assert _status(Visitors("another-0123456789a"), cookie=f"flowspan_console={session}") == 401
    ends, _, signature = session.partition(".")
    for forged in (f"{int(ends) + 1}.{signature}", f"{ends}.", f"{ends}.é", f"²{ends}.{signature}", "", "x" * 5000):
        assert _status(WITH_TOKEN, cookie=f"flowspan_console={forged}") == 401


def test_only_paths_of_the_console_are_led_to() -> None:
    assert local_path("/transactions?model=a") == "/transactions?model=a"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "/a\r\nb"):
        assert local_path(elsewhere) == "/"

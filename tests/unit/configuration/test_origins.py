"""`cors_origins`: what can stand there."""

import pytest

from tests.unit.configuration.reading import MODEL, problems, read

KEY = "  keys: [sk-0123456789abcdef]\n"


def section(origin: str, keys: str = "") -> str:
    return f"{MODEL}gateway:\n{keys}  server: {{cors_origins: ['{origin}']}}\n"


@pytest.mark.parametrize(
    "origin", ["https://app.example.com", "http://localhost:3000", "http://[::1]:8000", "chrome-extension://abc"]
)
def test_an_origin_is_taken(origin: str) -> None:
    assert read(section(origin)).settings.server.cors_origins == (origin,)


@pytest.mark.parametrize(
    "origin",
    ["app.example.com", "https://app.example.com/", "https://App.example.com", "https://*.example.com", "null", ""],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    assert "expected an origin such as https://app.example.com" in problems(section(origin))[0]


def test_a_port_that_browsers_leave_out_is_pointed_out() -> None:
    assert "browsers leave out :443 of https" in problems(section("https://app.example.com:443"))[0]


def test_all_origins_need_keys() -> None:
    assert "any page in a browser could use the models" in problems(section("*"))[0]
    assert read(section("*", KEY)).settings.server.cors_origins == ("*",)

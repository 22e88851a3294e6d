"""Who asks for a path that is not served learns which one was probably meant."""

import time

import pytest

from app.gateway.front_page import advice, is_for


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/openai/deployments/gpt-5/chat/completions", "/v1/chat/completions"),
        ("/engines/gpt-5/completions", "/v1/completions"),
        ("/anthropic/v1/messages", "/v1/messages"),
        ("/messages", "/v1/messages"),
        ("/v1/messages/count_token", "/v1/messages/count_tokens"),
        ("/V1/Responses", "/v1/responses"),
        ("/api/models", "/v1/models"),
        ("/healthz", "/health"),
        ("/ready", "/readyz"),
    ],
)
def test_the_near_path_is_suggested(asked: str, meant: str) -> None:
    assert advice(asked).startswith(f"Did you mean {meant}? This is Flowspan")


@pytest.mark.parametrize("asked", ["/favicon.ico", "/v1/moderations", "/wp-login.php", "/v1", "//", "", "\0/\ud800"])
def test_where_none_is_near_none_is_suggested(asked: str) -> None:
    assert advice(asked).startswith("This is Flowspan")


@pytest.mark.parametrize("method", ["generateContent", "streamGenerateContent"])
def test_clients_of_geminis_api_learn_that_it_is_not_served(method: str) -> None:
    assert advice(f"/v1beta/models/gemini-3-pro:{method}").startswith("Gemini's own API is not served")


@pytest.mark.parametrize(
    ("console", "host", "visible"),
    [
        ("http://127.0.0.1:4001", "localhost:8080", True),
        ("http://[::1]:4001/", "127.0.0.1:8080", True),
        ("http://127.0.0.1:4001", "llm.example.com", False),
        ("http://10.0.0.5:4001", "localhost:8080", False),
        ("http://127.0.0.1:4001", "", False),
        (None, "localhost:8080", False),
    ],
)
def test_only_this_machine_is_told_of_a_console_on_it(console: str | None, host: str, visible: bool) -> None:
    assert is_for(console, host) is visible


def test_a_long_path_takes_no_time() -> None:
    began = time.process_time()
    advice("/v1/chat/completionx" * 100_000)
    assert time.process_time() - began < 0.05

from app.run.recorded import Recorded
from app.run.summary import Totals, summary

LINE = {
    "outcome": "ok",
    "status": 200,
    "model": "claude-opus-4-8",
    "duration_s": 2.0,
    "ttft_s": 0.5,
    "time": {"upstream": 1.5, "policy": 0.01, "queue": 0.0, "format": 0.01, "client": 0.48},
    "conversation": "one",
    "input_tokens": 1000,
    "cache_read_tokens": 900,
    "cache_write_tokens": 50,
    "output_tokens": 200,
    "cost_usd": 0.0123,
}


def totals(*lines: dict[str, object]) -> Totals:
    found = Totals()
    for line in lines:
        found.add({**LINE, **line})
    return found


def test_a_session_is_summed_up() -> None:
    found = totals({}, {"model": "claude-haiku-4-5", "duration_s": 14.24, "conversation": "two"}, {"cost_usd": None})
    assert summary("claude", 134, found, Recorded(("Read", "Bash", "Read"), ("The provider was slow.",))) == (
        """\
claude ran for 2 min 14 s: 3 requests in 2 conversations
  models   claude-opus-4-8 2, claude-haiku-4-5 1
  tools    Read 2, Bash 1
  tokens   3,000 in (90% read from, 5% written to the cache), 600 out
  cost     $0.0246
  time     provider 4.50 s, gateway 60 ms, program 1.44 s
  slowest  claude-haiku-4-5: 14.2 s, its first token after 500 ms
           The provider was slow."""
    )


def test_failures_are_named_and_counted() -> None:
    broken = {"outcome": "upstream_error", "status": 529, "error_type": "overloaded_error"}
    text = summary("claude", 1, totals(broken, broken, {"outcome": "client_disconnect", "status": 200}))
    assert "  failed   2 x the provider failed (529, overloaded_error)\n" in text
    assert text.endswith("           1 x the program left before the end")


def test_a_program_that_asked_nothing_is_told_so() -> None:
    assert summary("ls", 0.004, Totals()) == "ls ran for 4.0 ms and asked no model through the gateway."


def test_nothing_that_a_model_or_a_provider_says_can_move_the_cursor() -> None:
    hostile = "claude\x1b[2J\u202e\r\nnot a line"
    text = summary("claude", 1, totals({"model": hostile}), Recorded((hostile,), (f"It said {hostile}.",)))
    assert len(text.splitlines()) == 7
    assert all(line.isprintable() for line in text.splitlines())


def test_what_is_not_known_is_not_made_up() -> None:
    text = summary("x", 1, totals({"cost_usd": None, "input_tokens": None, "output_tokens": None}))
    assert "  cost     not known" in text
    assert "tokens" not in text

import pytest

from app.dialects.anthropic_messages.stop_reasons import stop_reason
from app.dialects.translation.stop_reasons import finish_reason


@pytest.mark.parametrize(
    ("openai", "called", "anthropic"),
    [
        ("stop", False, "end_turn"),
        ("length", False, "max_tokens"),
        ("tool_calls", True, "tool_use"),
        ("function_call", True, "tool_use"),
        ("content_filter", False, "refusal"),
        # OpenAI ends a forced call with `stop`, but Anthropic's clients run tools on `tool_use` only.
        ("stop", True, "tool_use"),
        # A limit or a refusal amid calls stays what it is: the call may be cut short.
        ("length", True, "max_tokens"),
        ("content_filter", True, "refusal"),
        # Nothing to call is left.
        ("tool_calls", False, "end_turn"),
        # Reasons that a provider of Anthropic's own dialect gave.
        ("end_turn", False, "end_turn"),
        ("pause_turn", False, "pause_turn"),
        ("compaction", False, "compaction"),
        ("refusal", False, "refusal"),
        ("model_context_window_exceeded", False, "model_context_window_exceeded"),
        # Taken away by a policy.
        (None, False, "end_turn"),
        (None, True, "tool_use"),
        ("eos", False, "end_turn"),
        # A word that nobody knows: the API's list is open.
        ("odd", False, "odd"),
        ("MAX_TOKENS", True, "max_tokens"),
        ("content_filter: RECITATION", False, "refusal"),
    ],
)
def test_openai_to_anthropic(openai: str | None, called: bool, anthropic: str) -> None:
    assert stop_reason(openai, None, called) == anthropic


@pytest.mark.parametrize("reason", ["stop", "end_turn", "stop_sequence", None])
def test_a_stop_sequence_is_named_as_the_reason(reason: str | None) -> None:
    assert stop_reason(reason, "END", called_tools=False) == "stop_sequence"


@pytest.mark.parametrize(
    ("anthropic", "called", "openai"),
    [
        ("end_turn", False, "stop"),
        ("stop_sequence", False, "stop"),
        ("pause_turn", False, "length"),
        ("compaction", False, "length"),
        ("max_tokens", False, "length"),
        ("model_context_window_exceeded", False, "length"),
        ("tool_use", True, "tool_calls"),
        ("refusal", False, "content_filter"),
        ("stop", True, "tool_calls"),
        ("function_call", True, "function_call"),
        ("tool_calls", False, "stop"),
        (None, False, "stop"),
        (None, True, "tool_calls"),
        ("eos", False, "stop"),
        ("odd", False, "odd"),
    ],
)
def test_anthropic_to_openai(anthropic: str | None, called: bool, openai: str) -> None:
    assert finish_reason(anthropic, called) == openai

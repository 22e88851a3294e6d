"""Whether what a provider said has the types that the common form promises to everybody behind the decoders.

Decoders read what they need and are tolerant of the rest, so a number where a text belongs would come through them and
break a policy or a formatter far from where it came in: a fault of the gateway's own, instead of the provider's.
"""

from app.messages import Choice, Message, ModelResponse, ThinkingBlock, ToolCall, Usage

_TEXT = frozenset({str, type(None)})
_NUMBER = frozenset({int, float, bool})
"""Some count in floating point; that breaks nothing."""


def checked(said: ModelResponse) -> ModelResponse:
    """The same; raises TypeError for one that is malformed."""
    if not (_is_head(said) and all(map(_is_choice, said.choices)) and (said.usage is None or _is_usage(said.usage))):
        raise TypeError("a field of a wrong type")
    return said


def _is_head(said: ModelResponse) -> bool:
    texts = {type(said.id), type(said.model), type(said.system_fingerprint), type(said.service_tier)}
    return texts <= _TEXT and type(said.created) in _NUMBER


def _is_choice(choice: Choice) -> bool:
    said = choice.message if choice.delta is None else choice.delta
    texts = {type(choice.finish_reason), type(choice.stop_sequence)}
    return texts <= _TEXT and type(choice.index) in _NUMBER and (said is None or _is_message(said))


def _is_message(said: Message) -> bool:
    texts = {type(said.role), type(said.content), type(said.refusal), type(said.reasoning_content)}
    return texts <= _TEXT and all(map(_is_call, said.tool_calls)) and all(map(_is_thinking, said.thinking_blocks))


def _is_call(call: ToolCall) -> bool:
    function = call.function
    texts = {type(call.id), type(call.type), type(function.name), type(function.arguments)}
    return texts <= _TEXT and type(call.index) in _NUMBER


def _is_thinking(block: ThinkingBlock) -> bool:
    return {type(block.thinking), type(block.signature), type(block.data)} <= _TEXT


def _is_usage(usage: Usage) -> bool:
    tokens = {type(usage.prompt_tokens), type(usage.completion_tokens), type(usage.reasoning_tokens)}
    cached = {type(usage.cache_read_input_tokens), type(usage.cache_creation_input_tokens)}
    return tokens | cached <= _NUMBER

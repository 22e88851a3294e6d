"""Whether a provider's response has the types that the common form promises to everybody behind the decoders.

Decoders read what they need and are tolerant of the rest, so a number where a text belongs would come through them and
break a policy or a formatter far from where it came in: a fault of the gateway's own, instead of the provider's.
"""

from app.messages import Choice, Message, ModelResponse, ThinkingBlock, ToolCall, Usage

_TEXT = frozenset({str, type(None)})
_OBJECT = frozenset({dict})
_NUMBER = frozenset({int, float, bool})
"""Some count in floating point; that breaks nothing."""


def checked(response: ModelResponse) -> ModelResponse:
    """Return the response unchanged; raise TypeError if a field has the wrong type."""
    texts = {type(response.id), type(response.model), type(response.system_fingerprint), type(response.service_tier)}
    is_sound = texts <= _TEXT and type(response.created) in _NUMBER
    if response.choices and is_sound:
        is_sound = all(map(_is_choice, response.choices))
    if not is_sound or (response.usage is not None and not _is_usage(response.usage)):
        raise TypeError("a field of a wrong type")
    return response


def are_logprobs(logprobs: object) -> bool:
    """Whether they are lists by name: of objects in a chat, of texts and numbers in a completion."""
    if logprobs is None:
        return True
    return isinstance(logprobs, dict) and all(inner is None or type(inner) is list for inner in logprobs.values())


def _is_choice(choice: Choice) -> bool:
    message = choice.message if choice.delta is None else choice.delta
    texts = {type(choice.finish_reason), type(choice.stop_sequence)}
    if not (texts <= _TEXT and type(choice.index) in _NUMBER and are_logprobs(choice.logprobs)):
        return False
    return message is None or _is_message(message)


def _is_message(message: Message) -> bool:
    texts = {type(message.role), type(message.content), type(message.refusal), type(message.reasoning_content)}
    notes = set(map(type, message.annotations))
    if not (texts <= _TEXT and notes <= _OBJECT):
        return False
    return all(map(_is_call, message.tool_calls)) and all(map(_is_thinking, message.thinking_blocks))


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

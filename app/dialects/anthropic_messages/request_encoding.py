"""The common form to a messages body, whichever dialect it came in.

From another dialect: `max_tokens` is required here and gets what the model can give; what becomes of fields that only
the client's dialect has is for that to say. More than one answer (`n`) is refused. System and developer messages that
open the conversation become `system`; later ones stay where they are, as a user's text in `system-reminder` tags, for
`system` stands before all messages, and a prompt whose beginning changes is not found in the provider's cache.
Neighbours of one role are merged, so several `tool` messages become one user message of results.

From this dialect everything stays as it came, but for what the API or this model is sure to refuse: blank texts,
thinking and sampling parameters of another generation (`thinking_requests`), a choice among no tools. System messages
that open the conversation join `system` where a policy changed one. Thinking that Anthropic did not sign goes to no
provider that checks it, whoever sends it.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from app.dialects.anthropic_messages.answer_formats import answer_format
from app.dialects.anthropic_messages.cache_marks import with_fewer_marks
from app.dialects.anthropic_messages.claude_models import ClaudeModel, claude_model
from app.dialects.anthropic_messages.content_encoding import (
    CACHE_MARK,
    Block,
    cache_mark,
    encode_message,
    encode_system,
    with_mark,
)
from app.dialects.anthropic_messages.conversation_rules import (
    blocks_without_blanks,
    bounded,
    merged,
    paired,
    trimmed,
    without_blank_texts,
)
from app.dialects.anthropic_messages.thinking_history import may_think, readable_thinking, signed_thinking
from app.dialects.anthropic_messages.thinking_requests import fit_thinking, thinking_for
from app.dialects.anthropic_messages.tool_encoding import (
    called_tools,
    encode_choice,
    encode_native_tools,
    encode_tools,
    is_forced,
    wish_for,
)
from app.dialects.anthropic_messages.wire import NAME
from app.dialects.dialect import LocatedMessage, dialect_of
from app.dialects.translation.call_ids import CallIdForm, with_fitting_ids
from app.dialects.translation.custom_tools import with_functions
from app.dialects.translation.losses import no_counterpart
from app.errors import InvalidRequest
from app.messages import InputMessage, Reasoning, Request, TextPart

DEFAULT_MAX_TOKENS = 4096
"""For a model whose limit is not known."""
_CALL_IDS = CallIdForm(re.compile(r"[a-zA-Z0-9_-]+"), longest=10**6, unique=True)
"""By the API's own errors: "String should match pattern '^[a-zA-Z0-9_-]+$'", "`tool_use` ids must be unique"."""
_AS_LITELLM = frozenset({"thinking", "top_k", CACHE_MARK})
"""Anthropic's own fields, which clients of other dialects set where they know the model, as LiteLLM has them do."""
_SYSTEM = ("system", "developer")
_HIGHEST_TEMPERATURE = 1
"""OpenAI's scale ends at 2."""
_LONGEST_USER_ID = 256
_PERSONAL = re.compile(r"@|^\+?[\d\s()./-]{7,}$")
"""An address of e-mail or a telephone number: Anthropic refuses both as a user's id."""
_History = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]
_REMINDER = "<system-reminder>\n{}\n</system-reminder>"


def encode_request(request: Request, unsigned_thinking: bool = False) -> dict[str, Any]:
    """Encode for a provider of this API; `unsigned_thinking`: it takes thinking that Anthropic did not sign."""
    request = with_fitting_ids(request, _CALL_IDS)
    model = claude_model(request.model)
    history = readable_thinking if unsigned_thinking else signed_thinking
    body = _native(request, history) if request.dialect == NAME else _translated(request, model, history)
    return fit_thinking(body, model)


def _native(request: Request, history: _History) -> dict[str, Any]:
    extra = request.extra
    system, given = _native_messages(request)
    messages = history(given)
    thinking = None if request.reasoning is None else _thinking_as_it_came(request.reasoning)
    if isinstance(extra.get("thinking"), dict):
        thinking = extra["thinking"]
    if thinking and thinking.get("type") == "enabled" and messages is not given and not may_think(messages):
        thinking = None
        extra = {name: value for name, value in extra.items() if name != "thinking"}
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": _max_tokens(request, thinking, ClaudeModel()),
        "messages": _with_some(trimmed(without_blank_texts(messages) or messages)),
        **extra,
        **({"system": system} if system else {}),
        **_options(request),
    }
    if request.tools:
        body["tools"] = encode_native_tools(request)
    if choice := encode_choice(request):
        body["tool_choice"] = {**extra.get("tool_choice", {}), **choice}
    if not request.tools and "mcp_servers" not in extra:
        body.pop("tool_choice", None)
    if thinking:
        body["thinking"] = thinking
    if request.user is not None:
        body["metadata"] = {**extra.get("metadata", {}), "user_id": request.user}
    if output := _native_output_config(request):
        body["output_config"] = output
    return body


def _translated(request: Request, model: ClaudeModel, history: _History) -> dict[str, Any]:
    client = dialect_of(request)
    if request.n is not None and request.n > 1:
        raise no_counterpart("n", "more than one answer")
    extra = client.carry_over(request, _AS_LITELLM)
    request = _with_possible_options(with_functions(client.openai_tools(request)), model)
    wanted_format, words = answer_format(request, model)
    system, messages = _messages(request, model, history)
    thinking, effort = _thinking(request, extra, model, may_think(messages))
    tools = encode_tools(request, model) if request.tools else []
    choice = encode_choice(request) if tools else None
    if not tools and (tools := called_tools(request)):
        choice = {"type": "none"}
    if choice and is_forced(request) and not model.forced_tools:
        messages = merged([*messages, {"role": "user", "content": wish_for(request.tool_choice)}])
        choice = {"type": "auto", **{name: value for name, value in choice.items() if name not in ("type", "name")}}
    config = {**({"effort": effort} if effort else {}), **({"format": wanted_format} if wanted_format else {})}
    fields = {
        **extra,
        "system": _with_words(system, words),
        **_options(request),
        "tools": tools,
        "tool_choice": choice,
        "thinking": thinking,
        "metadata": _metadata(request),
        "output_config": config,
    }
    body = {
        "model": request.model,
        "max_tokens": _max_tokens(request, thinking, model),
        "messages": messages,
        **{name: value for name, value in fields.items() if value not in (None, "", [], {})},
    }
    return with_fewer_marks(body)


def _with_possible_options(request: Request, model: ClaudeModel) -> Request:
    """The request with a temperature, a limit and stop sequences that are possible here."""
    temperature, limit = request.temperature, request.max_tokens
    if temperature is not None:
        temperature = min(temperature, _HIGHEST_TEMPERATURE)
    if limit is not None and model.is_known and model.max_tokens is not None:
        limit = min(limit, model.max_tokens)
    stop = tuple([one for one in request.stop if one.strip()]) if request.stop else ()
    return replace(request, temperature=temperature, max_tokens=limit, stop=stop)


def _options(request: Request) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if request.stream:
        options["stream"] = True
    if request.temperature is not None:
        options["temperature"] = request.temperature
    if request.top_p is not None:
        options["top_p"] = request.top_p
    if request.top_k is not None:
        options["top_k"] = request.top_k
    if request.stop:
        options["stop_sequences"] = list(request.stop)
    return options


def _max_tokens(request: Request, thinking: dict[str, Any] | None, model: ClaudeModel) -> int:
    if request.max_tokens is not None:
        return request.max_tokens
    if model.max_tokens is not None:
        return model.max_tokens
    return DEFAULT_MAX_TOKENS + ((thinking or {}).get("budget_tokens") or 0)


def _metadata(request: Request) -> dict[str, Any] | None:
    """The user's id; a digest of one that is too long, or that Anthropic would refuse as personal."""
    user = request.user
    if not user:
        return None
    if len(user) > _LONGEST_USER_ID or _PERSONAL.search(user):
        user = sha256(user.encode()).hexdigest()
    return {"user_id": user}


def _thinking(
    request: Request, extra: dict[str, Any], model: ClaudeModel, may_resume: bool
) -> tuple[dict[str, Any] | None, str | None]:
    if isinstance(given := extra.get("thinking"), dict):
        effort = request.reasoning.effort if request.reasoning and given.get("type") == "adaptive" else None
        return given, effort
    forced = is_forced(request) and model.forced_tools
    if request.reasoning is None:
        # Where thinking is on unless it is turned off, a forced tool would be refused.
        return ({"type": "disabled"} if forced and model.no_thinking == "disabled" else None), None
    sampled = model.samplers != "none" and (request.temperature not in (None, 1) or request.top_k is not None)
    return thinking_for(request.reasoning, model, request.max_tokens, not forced and not sampled, may_resume)


def _thinking_as_it_came(reasoning: Reasoning) -> dict[str, Any] | None:
    if not reasoning.enabled:
        return {"type": "disabled", **reasoning.extra}
    if reasoning.budget_tokens is None and not reasoning.extra:
        return None
    tokens = {} if reasoning.budget_tokens is None else {"budget_tokens": reasoning.budget_tokens}
    return {"type": "enabled", **reasoning.extra, **tokens}


def _native_output_config(request: Request) -> dict[str, Any]:
    config: dict[str, Any] = {**request.extra.get("output_config", {})}
    if request.reasoning is not None and request.reasoning.effort is not None:
        config["effort"] = request.reasoning.effort
    if "output_format" in request.extra:
        return config
    match request.response_format:
        case {"type": "json_schema", "json_schema": {"schema": dict(schema)}}:
            config["format"] = {**config.get("format", {}), "type": "json_schema", "schema": schema}
        case None | {"type": "text"}:
            pass
        case _:
            raise no_counterpart("response_format", "an answer format without a JSON schema")
    return config


def _native_messages(request: Request) -> tuple[str | list[Block], list[dict[str, Any]]]:
    if (native := request.native_messages(NAME)) is not None:
        system, messages = native.get("system") or "", native["messages"]
    else:
        opening, others = _split(dialect_of(request).conversation(request))
        parts = tuple([part for _, message in opening for part in message.parts])
        system = encode_system(InputMessage("system", parts), "system", True)
        messages = [encode_message(message, path, True) for path, message in others]
    return blocks_without_blanks(system) if system else system, messages


def _messages(
    request: Request, model: ClaudeModel, history: _History
) -> tuple[str | list[Block], list[dict[str, Any]]]:
    """The system prompt, empty if there is none, and the messages. Raises InvalidRequest for a conversation that is all
    system."""
    opening, others = _split(dialect_of(request).conversation(request))
    encoded = [encode_message(_as_user(message), path, False) for path, message in others]
    messages = without_blank_texts(history(encoded))
    return _system(opening), _with_some(bounded(merged(paired(messages)), model.prefill))


def _with_some(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not messages:
        raise InvalidRequest("messages: at least one user or assistant message is needed.", param="messages")
    return messages


def _split(messages: list[LocatedMessage]) -> tuple[list[LocatedMessage], list[LocatedMessage]]:
    """What of the system opens the conversation, and the rest."""
    first = 0
    for _, message in messages:
        if message.role not in _SYSTEM:
            break
        first += 1
    return messages[:first], messages[first:]


def _system(opening: list[LocatedMessage]) -> str | list[Block]:
    if not opening:
        return ""
    contents = [with_mark(encode_system(message, path, False), cache_mark(message.extra)) for path, message in opening]
    contents = [mended for content in contents if (mended := blocks_without_blanks(content))]
    if len(contents) == 1:
        return contents[0]
    return [
        block
        for content in contents
        for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)
    ]


def _as_user(message: InputMessage) -> InputMessage:
    """A system message amid the conversation as a user's."""
    if message.role not in _SYSTEM:
        return message
    parts = tuple(
        [
            replace(part, text=_REMINDER.format(part.text))
            if isinstance(part, TextPart) and part.text.strip()
            else part
            for part in message.parts
        ]
    )
    return InputMessage("user", parts, message.extra)


def _with_words(system: str | list[Block], words: str | None) -> str | list[Block]:
    if words is None or not system:
        return words or system
    return f"{system}\n\n{words}" if isinstance(system, str) else [*system, {"type": "text", "text": words}]

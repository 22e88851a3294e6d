"""The common form to a Responses body, whichever dialect it came in.

From another dialect: nothing is stored, as no client of it would look there; thinking comes encrypted, to be sent back,
where the client asked for thinking; what cannot be said is dropped or refused by the tables in `crossing.py`. Stop
sequences and several answers are refused, as the API has neither.
"""

from typing import Any

from app.dialects.crossing import ANTHROPIC_BODY, OPENAI_BODY, OPENAI_MESSAGE, no_counterpart, refuse_losses
from app.dialects.effort import effort
from app.dialects.openai_responses.input_encoding import encode_input, instructions
from app.dialects.openai_responses.tools import encode_choice, encode_tool
from app.dialects.tool_names import with_short_names
from app.messages import Request

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_SHARED = frozenset(
    {"metadata", "moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
    | {"safety_identifier", "service_tier", "store", "top_logprobs"}
)
"""Fields that chat completions have under the same name."""


def encode_request(request: Request) -> dict[str, Any]:
    same = request.dialect == "openai_responses"
    extra = request.extra if same else _crossed(request)
    request = with_short_names(request) if request.dialect == "anthropic_messages" else request
    body: dict[str, Any] = {"model": request.model, **extra}
    native = request.native_messages("openai_responses")
    given = encode_input(request) if native is None else native.get("input")
    if given not in (None, []):
        body["input"] = given
    body |= _options(request)
    if reasoning := _reasoning(request, same):
        body["reasoning"] = reasoning
    if text := _text(request, extra):
        body["text"] = text
    if request.tools:
        tools = request.native_tools("openai_responses")
        body["tools"] = tools or [encode_tool(tool, same, f"tools[{at}]") for at, tool in enumerate(request.tools)]
    if request.tool_choice is not None:
        body["tool_choice"] = encode_choice(request.tool_choice, extra.get("tool_choice", {}))
    if request.parallel_tool_calls is not None and (same or request.tools):
        body["parallel_tool_calls"] = request.parallel_tool_calls
    if request.stream:
        body["stream"] = True
    return body


def _options(request: Request) -> dict[str, Any]:
    options = {
        "instructions": instructions(request),
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "user": request.user,
    }
    return {name: value for name, value in options.items() if value is not None}


def _reasoning(request: Request, same: bool) -> dict[str, Any]:
    if request.reasoning is None:
        return {}
    said = effort(request.reasoning)
    extra = request.reasoning.extra if same else {}
    return extra if said is None else {**extra, "effort": said}


def _text(request: Request, extra: dict[str, Any]) -> dict[str, Any]:
    text = dict(extra.get("text", {}))
    match request.response_format:
        case {"type": "json_schema", "json_schema": dict(schema)}:
            text["format"] = {"type": "json_schema", **schema}
        case dict() as wanted:
            text["format"] = wanted
    return text


def _crossed(request: Request) -> dict[str, Any]:
    if request.stop:
        raise no_counterpart("stop_sequences" if request.dialect == "anthropic_messages" else "stop")
    if request.n is not None and request.n > 1:
        raise no_counterpart("n", "more than one answer")
    if request.tool_choice is None and request.extra.get("tool_choice"):
        raise no_counterpart("tool_choice")
    extra = _from_chat(request) if request.dialect == "openai_chat" else _from_messages(request)
    include = [ENCRYPTED] if request.reasoning is not None and request.reasoning.enabled else []
    if extra.pop("logprobs", None):
        include.append(LOGPROBS)
    return {"store": False, **extra, **({"include": include} if include else {})}


def _from_chat(request: Request) -> dict[str, Any]:
    said = request.extra
    refuse_losses({name: value for name, value in said.items() if name != "logprobs"}, OPENAI_BODY)
    for at, message in enumerate(request.messages):
        refuse_losses(message.extra, OPENAI_MESSAGE, f"messages[{at}].")
    kept = {name: value for name, value in said.items() if name in _SHARED or name == "logprobs"}
    return {**kept, "text": {"verbosity": said["verbosity"]}} if "verbosity" in said else kept


def _from_messages(request: Request) -> dict[str, Any]:
    refuse_losses(request.extra, ANTHROPIC_BODY)
    if request.extra.get("output_config", {}).get("format"):
        raise no_counterpart("output_config.format")
    return {}

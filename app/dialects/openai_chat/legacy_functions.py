"""`functions` and `function_call`, from before chat completions had tools, for APIs that have only these. Pure."""

from typing import Any, TypedDict

from msgspec.structs import replace

from app.dialects.openai_chat import wire
from app.dialects.validation import check
from app.errors import InvalidRequest
from app.messages import Request, ToolChoice, ToolDefinition

_FIELDS = frozenset({"functions", "function_call"})


class _Legacy(TypedDict, total=False):
    functions: list[wire.FunctionDefinition] | None
    function_call: str | wire.ChosenFunction | None


def asks_for_functions(request: Request) -> bool:
    """Whether its client expects a `function_call` in the answer, and no `tool_calls`."""
    return bool(request.extra.get("functions")) and not request.tools


def with_functions_as_tools(request: Request) -> Request:
    """The request with its functions as tools, and the choice among them."""
    if _FIELDS.isdisjoint(request.extra):
        return request
    fields = check({name: request.extra[name] for name in _FIELDS if name in request.extra}, _Legacy)
    extra = {name: value for name, value in request.extra.items() if name not in _FIELDS}
    if request.tools or not (functions := fields.get("functions")):
        return replace(request, extra=extra)
    tools = tuple([ToolDefinition(one["name"], one.get("description"), one.get("parameters")) for one in functions])
    choice = request.tool_choice or _choice(fields.get("function_call"))
    # The answer has room for one call.
    return replace(request, tools=tools, tool_choice=choice, parallel_tool_calls=False, extra=extra)


def as_function_call(message: dict[str, Any]) -> dict[str, Any]:
    """A message, or a delta of one, with its first call where such a client looks for it."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    rest = {name: value for name, value in message.items() if name != "tool_calls"}
    first = next((call for call in calls if not call.get("index")), None)
    return rest if first is None else {**rest, "function_call": first.get("function") or {}}


def function_reason(reason: str) -> str:
    """The finish reason that such a client knows."""
    return "function_call" if reason == "tool_calls" else reason


def _choice(choice: Any) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case "auto" | "none":
            return ToolChoice(choice)
        case {"name": str(name)}:
            return ToolChoice("named", name)
        case _:
            raise InvalidRequest(f"function_call: unknown value {choice!r}.", param="function_call")

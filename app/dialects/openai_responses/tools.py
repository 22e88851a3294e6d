"""Tools and the choice among them, between a Responses body and the common form.

OpenAI's two APIs have the same functions and custom tools, written differently; every other kind of tool is the
provider's own, and kept as it is.
"""

from typing import Any

from app.dialects.dialect import RequestDialect
from app.dialects.openai_responses import wire
from app.dialects.translation.custom_tools import KIND, is_custom
from app.dialects.translation.losses import no_counterpart
from app.dialects.validation import missing_field, without
from app.errors import InvalidRequest
from app.messages import Request, ToolChoice, ToolDefinition

_FUNCTION = frozenset(["type", "name", "description", "parameters", "strict"])
_NO_PARAMETERS = {"type": "object", "properties": {}}


def decode_tool(tool: wire.Tool, path: str) -> ToolDefinition:
    if tool["type"] != "function":
        return ToolDefinition(name=tool.get("name") or tool["type"], raw=dict(tool))
    if "name" not in tool:
        raise missing_field(f"{path}.name")
    return ToolDefinition(
        name=tool["name"],
        description=tool.get("description"),
        parameters=tool.get("parameters"),
        strict=tool.get("strict"),
        extra=without(tool, _FUNCTION),
    )


def encode_native_tool(tool: ToolDefinition) -> dict[str, Any]:
    """A tool of a client of this dialect, as it came."""
    if tool.raw is not None:
        return tool.raw
    fields = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    present = {name: value for name, value in fields.items() if value is not None}
    return {"type": "function", **tool.extra, "name": tool.name, **present}


def encode_tool(tool: ToolDefinition, client: RequestDialect, path: str) -> dict[str, Any]:
    """A tool of a client of another dialect, where `strict` is off if nothing is said; here it would be on."""
    if tool.raw is None:
        strict, parameters = bool(tool.strict), tool.parameters or _NO_PARAMETERS
        description = {} if tool.description is None else {"description": tool.description}
        return {"type": "function", "name": tool.name, **description, "parameters": parameters, "strict": strict}
    if (custom := client.custom_tool(tool.raw)) is None:
        raise no_counterpart(path, "a tool of the provider's own")
    return custom


def decode_choice(choice: str | wire.ToolChoice | None) -> tuple[ToolChoice | None, dict[str, Any]]:
    """The choice in the common form, and what of it that has no place for."""
    match choice:
        case None:
            return None, {}
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice), {}
        case str():
            raise InvalidRequest(f"tool_choice: unknown value {choice!r}.", param="tool_choice")
        case {"type": "function" | "custom" as kind}:
            if "name" not in choice:
                raise missing_field("tool_choice.name")
            known = frozenset(["type", "name"] if kind == "function" else ["name"])
            return ToolChoice(mode="named", name=choice["name"]), without(choice, known)
        case _:
            return None, dict(choice)


def encode_choice(request: Request, choice: ToolChoice, extra: dict[str, Any]) -> str | dict[str, Any]:
    if choice.mode != "named":
        return choice.mode
    return {"type": KIND if is_custom(request, choice.name) else "function", **extra, "name": choice.name}

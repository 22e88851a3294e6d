"""Anthropic's messages as one of the gateway's dialects: what only they can say of their requests."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.dialects.allowances import Allowance, Headers, anthropic_headers
from app.dialects.anthropic_messages.block_texts import text_of
from app.dialects.anthropic_messages.errors import render_error
from app.dialects.anthropic_messages.event_encoding import EventEncoder
from app.dialects.anthropic_messages.ids import PREFIX
from app.dialects.anthropic_messages.models import render_model, render_models
from app.dialects.anthropic_messages.request_decoding import decode_request
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.anthropic_messages.response_editing import edit_response
from app.dialects.anthropic_messages.response_encoding import encode_response
from app.dialects.anthropic_messages.stop_reasons import native_reason, reason_paths
from app.dialects.anthropic_messages.wire import NAME
from app.dialects.dialect import ClientDialect, EventNames, LocatedMessage, numbered
from app.dialects.passthrough import StreamFormatter
from app.dialects.translation.hosted_tools import hosted, without_hosted
from app.dialects.translation.losses import ELSEWHERE, Disposition, no_counterpart, refuse_losses, refuse_unknown_choice
from app.dialects.translation.tool_names import function_names, shortened, with_short_names
from app.messages import Native, OpaquePart, Request, ToolDefinition

_BODY: Mapping[str, Disposition] = {
    "cache_control": "dropped",
    "container": "refused",
    "context_management": "dropped",
    "diagnostics": "dropped",
    "inference_geo": "refused",
    "mcp_servers": "refused",
    "metadata": "dropped",
    "output_config": "dropped",
    "service_tier": "dropped",
    "speed": "dropped",
    "user_profile_id": "dropped",
    "workspace_id": "dropped",
}
_HOSTED = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "mcp_toolset", "advisor_")
"""Types of tools that the provider runs. Those of shells, editors and screens are run by clients."""
_VERSION_HEADER = "anthropic-version"


class AnthropicMessages(ClientDialect):
    name = NAME
    event_names: EventNames = "needed"
    provider = "anthropic"
    path_prefix = "/v1/messages"
    key_header = "x-api-key"
    id_prefix = PREFIX
    has_system_apart = True
    reason_paths = staticmethod(reason_paths)
    native_reason = staticmethod(native_reason)
    field_names: Mapping[str, str] = {"stop": "stop_sequences", "user": "metadata.user_id"}
    # What a provider's own tools did in an earlier turn; the answer that was made of it stands beside it as text.
    dropped_parts = frozenset(
        {
            "server_tool_use",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "tool_reference",
        }
    )
    decode_request = staticmethod(decode_request)
    encode_request = staticmethod(encode_request)
    encode_response = staticmethod(encode_response)
    edit_response = staticmethod(edit_response)
    render_error = staticmethod(render_error)
    render_models = staticmethod(render_models)
    render_model = staticmethod(render_model)

    def formatter(self, request: Request, transaction_id: str, created: int) -> StreamFormatter:
        return StreamFormatter(EventEncoder(request, transaction_id, self.new_id(transaction_id)))

    def allowance_headers(self, allowances: Iterable[Allowance]) -> Headers:
        return anthropic_headers(allowances)

    def is_asked(self, path: str, header_names: Iterable[str]) -> bool:
        """The official SDKs name the API's version with every request."""
        return super().is_asked(path, header_names) or _VERSION_HEADER in header_names

    def conversation(self, request: Request) -> list[LocatedMessage]:
        """The system prompt is a field of its own, and clients count their messages without it."""
        if not request.messages or request.messages[0].role != "system":
            return list(numbered(request.messages))
        first, *others = request.messages
        return [("system", first), *numbered(others)]

    def carry_over(self, request: Request, known: frozenset[str]) -> dict[str, Any]:
        """Nothing: no other API has fields of the same meaning under the same name."""
        refuse_losses(request.extra, _BODY)
        if request.extra.get("output_config", {}).get("format"):
            raise no_counterpart("output_config.format")
        refuse_unknown_choice(request)
        return {}

    def hosted_tools(self, request: Request) -> Sequence[ToolDefinition]:
        return hosted(request.tools, _HOSTED)

    def plain_tools(self, request: Request) -> Request:
        return without_hosted(request, self.hosted_tools(request))

    def openai_tools(self, request: Request) -> Request:
        return with_short_names(self.plain_tools(request))

    def opaque_text(self, part: OpaquePart) -> str | None:
        return text_of(part.raw)

    def is_preamble(self, native: Native) -> bool:
        match native.kind:
            case "" | "ping" | "message_start" | "content_block_stop":
                return True
            case "content_block_start":
                return _type_in(native, "content_block") in ("text", "thinking")
            case "content_block_delta":
                return _type_in(native, "delta") in ("text_delta", "thinking_delta")
        return False

    def refuse_opaque(self, part: OpaquePart, path: str) -> None:
        match part.raw:
            case {"type": "image" | "document", "source": {"type": "file"}}:
                raise no_counterpart(path, ELSEWHERE)
            case _:
                super().refuse_opaque(part, path)

    def tool_names(self, request: Request) -> Mapping[str, str]:
        return shortened(function_names(request)) if request.tools else {}


def _type_in(native: Native, field: str) -> object:
    block = (native.event or {}).get(field)
    return block.get("type") if isinstance(block, dict) else None


DIALECT = AnthropicMessages()

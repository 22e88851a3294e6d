"""The Responses API as one of the gateway's dialects: what only it can say of its requests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.bodies.request_body import ListKind
from app.dialects.dialect import DIALECTS, LISTS, ClientDialect, EventNames, LocatedMessage
from app.dialects.openai_chat.models import render_model, render_models
from app.dialects.openai_responses.additional_tools import KIND as ADDITIONAL_TOOLS
from app.dialects.openai_responses.additional_tools import refuse_malformed, with_all_tools
from app.dialects.openai_responses.agent_messages import as_user_message
from app.dialects.openai_responses.errors import render_error
from app.dialects.openai_responses.event_encoding import EventEncoder
from app.dialects.openai_responses.namespaces import client_names, custom_names, flattened
from app.dialects.openai_responses.request_decoding import decode_request
from app.dialects.openai_responses.request_encoding import encode_request
from app.dialects.openai_responses.response_editing import edit_response
from app.dialects.openai_responses.response_encoding import encode_response
from app.dialects.openai_responses.wire import INSTRUCTIONS, LOGPROBS, NAME, PROVIDER, TEXT
from app.dialects.passthrough import StreamFormatter
from app.dialects.translation.hosted_tools import hosted, without_hosted
from app.dialects.translation.losses import ELSEWHERE, Disposition, no_counterpart, refuse_losses, refuse_unknown_choice
from app.dialects.translation.tool_choices import with_allowed_tools
from app.dialects.translation.tool_names import function_names, shortened, with_short_names
from app.errors import InvalidRequest
from app.messages import InputMessage, Native, OpaquePart, Part, Request, ToolDefinition

_BODY: Mapping[str, Disposition] = {
    "background": "refused",
    "context_management": "dropped",
    "conversation": "refused",
    "include": "dropped",  # but for log probabilities, which are refused
    "max_tool_calls": "dropped",
    "metadata": "dropped",
    "moderation": "dropped",
    "previous_response_id": "refused",
    "prompt": "refused",
    "prompt_cache_key": "dropped",
    "prompt_cache_options": "dropped",
    "prompt_cache_retention": "dropped",
    "safety_identifier": "dropped",
    "service_tier": "dropped",
    "store": "dropped",
    "stream_options": "dropped",
    "text": "dropped",  # only its verbosity: its format is `Request.response_format`
    "top_logprobs": "refused",
    "truncation": "dropped",
}
_FOR_THE_CLIENT = frozenset({"custom", "namespace"})
"""Types of tools, besides functions, that clients run themselves."""
_HOSTED = ("web_search", "file_search", "code_interpreter", "image_generation", "mcp", "tool_search")
"""Types of tools that the provider runs, or, as the search among tools, has to know."""
_REASONING_ID = "rs_"
_PREAMBLES = frozenset(
    {"", "keepalive", "response.created", "response.in_progress", "response.queued"}
    | {"response.content_part.added", "response.reasoning_summary_part.added"}
)
"""Types of events that hold nothing of an answer; comments have none."""


class OpenAIResponses(ClientDialect):
    name = NAME
    event_names: EventNames = "types"
    provider = PROVIDER
    path_prefix = "/v1/responses"
    id_prefix = "resp_"
    keeps_responses = True
    has_system_apart = True
    field_names: Mapping[str, str] = {"response_format": "text.format"}
    lists: Mapping[str, ListKind] = {**LISTS, "input": "messages"}
    # What a provider's own tools did in an earlier turn; the answer that was made of it stands beside it as text.
    dropped_parts = frozenset(
        {
            "web_search_call",
            "file_search_call",
            "code_interpreter_call",
            "image_generation_call",
            "mcp_list_tools",
            "mcp_call",
            "tool_search_call",
            "tool_search_output",
            ADDITIONAL_TOOLS,  # they are tools of the request
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
        return StreamFormatter(EventEncoder(request, transaction_id, self.new_id(transaction_id), created))

    def conversation(self, request: Request) -> list[LocatedMessage]:
        """Join what the assistant wrote, thought and called: an item each here, and one message elsewhere."""
        return list(_turns(_items(request.messages)))

    def carry_over(self, request: Request, known: frozenset[str]) -> dict[str, Any]:
        extra = _in_words_of_chat(request.extra)
        lost = {name: value for name, value in extra.items() if name not in known}
        if lost.get("logprobs"):
            raise no_counterpart("include", "log probabilities")
        refuse_losses(lost, _BODY)
        if request.extra.get("text", {}).get("format"):
            raise no_counterpart("text.format")
        refuse_unknown_choice(request)
        refuse_malformed(request)
        left_out = self.hosted_tools(request)
        for at, tool in enumerate(with_all_tools(request).tools):
            if tool.raw is not None and tool.raw.get("type") not in _FOR_THE_CLIENT and tool not in left_out:
                raise no_counterpart(f"tools[{at}]", "a tool of the provider's own")
        # Without the wish in `include` it says nothing, and chat completions refuse it alone.
        carried = known if extra.get("logprobs") else known - {"top_logprobs"}
        return {name: value for name, value in extra.items() if name in carried}

    def hosted_tools(self, request: Request) -> Sequence[ToolDefinition]:
        return hosted(with_all_tools(request).tools, _HOSTED)

    def plain_tools(self, request: Request) -> Request:
        every = without_hosted(with_all_tools(request), self.hosted_tools(request))
        return with_allowed_tools(flattened(every))

    def openai_tools(self, request: Request) -> Request:
        return with_short_names(self.plain_tools(request))

    def tool_names(self, request: Request) -> Mapping[str, str]:
        every = with_all_tools(request)
        return shortened([*client_names(request), *function_names(every)]) if every.tools else {}

    def custom_tool(self, raw: Mapping[str, Any]) -> dict[str, Any] | None:
        return dict(raw) if raw.get("type") == "custom" and "name" in raw else None

    def custom_tools(self, request: Request) -> list[str]:
        every = with_all_tools(request)
        return [*super().custom_tools(every), *custom_names(request)] if every.tools else []

    def is_preamble(self, native: Native) -> bool:
        if native.kind != "response.output_item.added":
            return native.kind in _PREAMBLES
        item = (native.event or {}).get("item")
        return isinstance(item, dict) and item.get("type") in ("message", "reasoning")

    def refuse_opaque(self, part: OpaquePart, path: str) -> None:
        if part.raw.get("type") == "input_image" and part.raw.get("file_id"):
            raise no_counterpart(path, ELSEWHERE)
        if part.raw.get("type") != "item_reference":
            super().refuse_opaque(part, path)
        elif not str(part.raw.get("id")).startswith(_REASONING_ID):
            # One to reasoning that nobody kept, as SDKs send it in place of the item, is dropped as all reasoning is.
            message = f"{path}: the provider of this model keeps no items; send the item itself (store: false)."
            raise InvalidRequest(message, param=path)


DIALECT = OpenAIResponses()


def _in_words_of_chat(extra: dict[str, Any]) -> dict[str, Any]:
    """The fields of `extra`, those that other APIs have as well under the names of chat completions."""
    found = dict(extra)
    if LOGPROBS in (extra.get("include") or ()):
        found["logprobs"] = True
    if (verbosity := extra.get("text", {}).get("verbosity")) is not None:
        found["verbosity"] = verbosity
    return found


def _items(messages: Iterable[InputMessage]) -> Iterator[LocatedMessage]:
    at = 0
    for message in messages:
        kind = message.extra.get("type")
        if kind in (INSTRUCTIONS, TEXT):
            yield INSTRUCTIONS if kind == INSTRUCTIONS else "input", message
        else:
            yield f"input[{at}]", as_user_message(message)
            at += 1


def _turns(items: Iterable[LocatedMessage]) -> Iterator[LocatedMessage]:
    turn: LocatedMessage | None = None
    for path, message in items:
        if message.role != "assistant":
            if turn is not None:
                yield turn
                turn = None
            yield path, message
        elif parts := tuple(_known(message.parts, path)):
            before = turn or (path, replace(message, parts=()))
            turn = before[0], replace(before[1], parts=before[1].parts + parts)
    if turn is not None:
        yield turn


def _known(parts: Iterable[Part], path: str) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, OpaquePart):
            DIALECTS[part.dialect].refuse_opaque(part, path)
        else:
            yield part

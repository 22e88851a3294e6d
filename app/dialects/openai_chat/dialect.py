"""Chat completions as one of the gateway's dialects: what only they can say of their requests."""

from collections.abc import Mapping
from typing import Any

from app.dialects.dialect import ClientDialect, LocatedMessage, numbered
from app.dialects.openai_chat.chunk_encoding import ChunkEncoder
from app.dialects.openai_chat.custom_tools import flat
from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_chat.legacy_functions import with_functions_as_tools
from app.dialects.openai_chat.models import render_model, render_models
from app.dialects.openai_chat.request_decoding import decode_request
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.response_editing import edit_response
from app.dialects.openai_chat.response_encoding import encode_response
from app.dialects.openai_chat.thinking_parts import with_thinking_read
from app.dialects.openai_chat.wire import NAME, PROVIDER
from app.dialects.passthrough import StreamFormatter
from app.dialects.translation.losses import Disposition, refuse_losses, refuse_unknown_choice
from app.dialects.translation.stop_reasons import common_reason, reasons_of_choices
from app.dialects.translation.tool_choices import with_allowed_tools
from app.dialects.translation.tool_names import function_names, shortened, with_short_names
from app.dialects.validation import without
from app.messages import Request

_BODY: Mapping[str, Disposition] = {
    "audio": "refused",
    "frequency_penalty": "dropped",
    "function_call": "dropped",  # `with_functions_as_tools` makes tools of both
    "functions": "dropped",
    "logit_bias": "refused",
    "logprobs": "refused",
    "max_completion_tokens": "dropped",  # only the name: its value is `Request.max_tokens`
    "max_tokens": "dropped",
    "metadata": "dropped",
    "modalities": "refused",
    "moderation": "dropped",
    "prediction": "dropped",
    "presence_penalty": "dropped",
    "prompt_cache_key": "dropped",
    "prompt_cache_options": "dropped",
    "prompt_cache_retention": "dropped",
    "safety_identifier": "dropped",
    "seed": "dropped",
    "service_tier": "dropped",
    "store": "dropped",
    "stream_options": "dropped",
    "top_logprobs": "dropped",
    "verbosity": "dropped",
    "web_search_options": "refused",
}
_MESSAGE: Mapping[str, Disposition] = {"audio": "refused", "name": "dropped", "annotations": "dropped"}


class OpenAIChat(ClientDialect):
    name = NAME
    provider = PROVIDER
    id_prefix = "chatcmpl-"
    streams_choices = True
    reason_paths = staticmethod(reasons_of_choices)
    native_reason = staticmethod(common_reason)
    decode_request = staticmethod(decode_request)
    encode_request = staticmethod(encode_request)
    encode_response = staticmethod(encode_response)
    edit_response = staticmethod(edit_response)
    render_error = staticmethod(render_error)
    render_models = staticmethod(render_models)
    render_model = staticmethod(render_model)
    custom_tool = staticmethod(flat)

    def formatter(self, request: Request, transaction_id: str, created: int) -> StreamFormatter:
        return StreamFormatter(ChunkEncoder(request, transaction_id, self.new_id(transaction_id), created))

    def conversation(self, request: Request) -> list[LocatedMessage]:
        return list(numbered(map(with_thinking_read, request.messages)))

    def plain_tools(self, request: Request) -> Request:
        return with_allowed_tools(with_functions_as_tools(request))

    def openai_tools(self, request: Request) -> Request:
        return with_short_names(self.plain_tools(request))

    def tool_names(self, request: Request) -> Mapping[str, str]:
        request = with_functions_as_tools(request)
        return shortened(function_names(request)) if request.tools else {}

    def carry_over(self, request: Request, known: frozenset[str]) -> dict[str, Any]:
        extra = request.extra
        refuse_losses(without(extra, known), _BODY)
        refuse_unknown_choice(request)
        for at, message in enumerate(request.messages):
            if message.extra:
                refuse_losses(message.extra, _MESSAGE, f"messages[{at}].")
        return {} if known.isdisjoint(extra) else {name: value for name, value in extra.items() if name in known}


DIALECT = OpenAIChat()

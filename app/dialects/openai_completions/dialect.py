"""Legacy completions as one of the gateway's dialects."""

from app.dialects.dialect import StreamingDialect
from app.dialects.openai_chat.errors import render_error
from app.dialects.openai_completions.chunk_encoding import TextEncoder
from app.dialects.openai_completions.requests import NAME, OPERATION, decode_request
from app.dialects.openai_completions.response_editing import edit_response
from app.dialects.openai_completions.response_encoding import encode_response
from app.dialects.passthrough import StreamFormatter
from app.dialects.translation.stop_reasons import common_reason, reasons_of_choices
from app.messages import Request


class OpenAICompletions(StreamingDialect):
    name = NAME
    operation = OPERATION
    provider = "openai"
    id_prefix = "cmpl-"
    reason_paths = staticmethod(reasons_of_choices)
    native_reason = staticmethod(common_reason)
    decode_request = staticmethod(decode_request)
    encode_response = staticmethod(encode_response)
    edit_response = staticmethod(edit_response)
    render_error = staticmethod(render_error)

    def formatter(self, request: Request, transaction_id: str, created: int) -> StreamFormatter:
        return StreamFormatter(TextEncoder(request, self.new_id(transaction_id), created))


DIALECT = OpenAICompletions()

"""The common form: what policies, pipeline and backends see, whatever dialect a client or a provider speaks.

Every struct is frozen: a change makes a new object (`msgspec.structs.replace`), so an object that comes out of a policy
as the same object is known to be untouched. `extra` holds what only the dialect of origin knows, as it came.

requests .... a conversation as typed parts, and what may be asked of the model
responses ... a whole response, or the chunks of a stream
received .... both beside the provider's bytes; several events as one
"""

from app.messages.credentials import ClientCredential
from app.messages.received import Batch, Native, Received, count_of, received_size
from app.messages.requests import (
    Dialect,
    DocumentPart,
    ImagePart,
    InputMessage,
    NativeRequest,
    OpaquePart,
    Operation,
    Part,
    Reasoning,
    RedactedThinkingPart,
    RefusalPart,
    Request,
    RequestBody,
    Role,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
)
from app.messages.responses import (
    BlockEnd,
    Choice,
    FinishReason,
    Function,
    Message,
    ModelResponse,
    ThinkingBlock,
    ToolCall,
    Usage,
    as_chunk,
    is_substantial,
    part_of,
    text_chunk,
    text_size,
)

__all__ = [
    "Batch",
    "BlockEnd",
    "Choice",
    "ClientCredential",
    "Dialect",
    "DocumentPart",
    "FinishReason",
    "Function",
    "ImagePart",
    "InputMessage",
    "Message",
    "ModelResponse",
    "Native",
    "NativeRequest",
    "OpaquePart",
    "Operation",
    "Part",
    "Reasoning",
    "Received",
    "RedactedThinkingPart",
    "RefusalPart",
    "Request",
    "RequestBody",
    "Role",
    "TextPart",
    "ThinkingBlock",
    "ThinkingPart",
    "ToolCall",
    "ToolCallPart",
    "ToolChoice",
    "ToolDefinition",
    "ToolResultPart",
    "Usage",
    "as_chunk",
    "count_of",
    "is_substantial",
    "part_of",
    "received_size",
    "text_chunk",
    "text_size",
]

"""Flowspan for authors of policies: all that a policy imports. `flowspan.testing` runs one as the gateway does.

    from flowspan import Policy, StreamContext

    class Shout(Policy):
        async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
            await ctx.emit_text(text.upper())

docs/writing-policies.md is the guide.
"""

from app.errors import PolicyBlocked
from app.messages import (
    Choice,
    DocumentPart,
    Function,
    ImagePart,
    InputMessage,
    Message,
    ModelResponse,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    Request,
    TextPart,
    ThinkingBlock,
    ThinkingPart,
    ToolCall,
    ToolCallPart,
    ToolChoice,
    ToolDefinition,
    ToolResultPart,
    Usage,
    text_chunk,
)
from app.policies import HOOKS, Hook, OptionError, Policy, PolicyContext, StreamContext
from app.settings import ByteSize, PipelineSettings, Seconds

__all__ = [
    "HOOKS",
    "ByteSize",
    "Choice",
    "DocumentPart",
    "Function",
    "Hook",
    "ImagePart",
    "InputMessage",
    "Message",
    "ModelResponse",
    "OpaquePart",
    "OptionError",
    "Part",
    "PipelineSettings",
    "Policy",
    "PolicyBlocked",
    "PolicyContext",
    "RedactedThinkingPart",
    "RefusalPart",
    "Request",
    "Seconds",
    "StreamContext",
    "TextPart",
    "ThinkingBlock",
    "ThinkingPart",
    "ToolCall",
    "ToolCallPart",
    "ToolChoice",
    "ToolDefinition",
    "ToolResultPart",
    "Usage",
    "text_chunk",
]

"""Policies of the incident: one that hangs at a word and is passed by, one that hangs or fails and is not."""

import asyncio

from app.messages import ModelResponse, Request, TextPart
from app.policies import Policy, PolicyContext, StreamContext

HANG, REFUSE, BREAK = "[hang]", "[refuse]", "[break]"


def text_of(request: Request) -> str:
    return " ".join(part.text for message in request.messages for part in message.parts if isinstance(part, TextPart))


class Reviewer(Policy):
    """Looks at each piece of content; hangs at the twelfth piece of a stream whose request says so."""

    name = "reviewer"

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        seen = ctx.policy.state(self, list[str])
        seen.append(text)
        if len(seen) == 12:
            ctx.decide("reviewed")
            if HANG in text_of(ctx.policy.request):
                await asyncio.get_running_loop().create_future()
        await ctx.emit_text(text)


class Auditor(Policy):
    """Looks at requests and whole answers."""

    name = "auditor"

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        words = text_of(request)
        if REFUSE in words:
            await asyncio.get_running_loop().create_future()
        if BREAK in words:
            raise RuntimeError("the audit log is full")
        return request

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        return response

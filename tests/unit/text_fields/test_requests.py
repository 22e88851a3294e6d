"""An address in each place of a request, as the official SDKs' types have them: none reaches a provider."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from app.dialects import DIALECTS, openai_completions, openai_embeddings
from app.dialects.anthropic_messages import encode_request as to_anthropic
from app.dialects.openai_chat import encode_request as to_chat
from app.dialects.openai_responses import encode_request as to_responses
from app.errors import GatewayError
from app.messages import Dialect, Request
from app.policies import PolicyContext
from app.policies.builtin.redact import Redact
from app.text_fields import kind_of
from tests.unit.text_fields.sdk_types import REQUESTS, SdkPath, paths

ADDRESS = "bob@mail.example"
DOMAIN = "@mail.example"
FORMS = {
    "plain": f"write to {ADDRESS} now",
    "json within json": json.dumps(
        {"to": "write to bob\\u0040mail.example", "said": '{"to": "eve\\u0040mail.example"}'}
    ),
}
ENCODERS = {
    "openai_chat": (to_chat, to_anthropic, to_responses),
    "anthropic_messages": (to_anthropic, to_chat, to_responses),
    "openai_responses": (to_responses, to_chat, to_anthropic),
    "openai_completions": (openai_completions.encode_request,),
    "openai_embeddings": (openai_embeddings.encode_request,),
}


def whole(dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    """A legal body, as far as the gateway looks into it."""
    body = {**body, "model": "m"}
    if dialect in ("openai_chat", "anthropic_messages"):
        body["messages"] = body.get("messages") or [{"role": "user", "content": "hi"}]
    if dialect == "anthropic_messages":
        body["max_tokens"] = 10
    if dialect == "openai_responses":
        body.setdefault("input", "hi")
    if dialect == "openai_completions":
        body["prompt"] = body.get("prompt") or "hi"
    return body


def sent(request: Request) -> str:
    """All that any provider would get of it, with escapes undone."""
    out = []
    for encode in ENCODERS[request.dialect]:
        try:
            out.append(json.dumps(encode(request), ensure_ascii=False))
        except GatewayError as error:
            out.append(error.message)
    return undone("".join(out))


def undone(text: str) -> str:
    """JSON within JSON within JSON, as its last reader would see it."""
    for _ in range(4):
        text = text.replace("\\\\", "\\").replace("\\u0040", "@")
    return text


def is_for_redact(path: SdkPath) -> bool:
    kinds = {kind_of(path.field, parent, path.around) for parent in path.parents or ("",)}
    return "secret" not in kinds and not path.is_word and path.field != "model"


@pytest.mark.parametrize("dialect", list(REQUESTS))
def test_no_place_of_a_request_lets_an_address_through(dialect: Dialect) -> None:
    policy, seen = Redact(patterns=("email",)), Counter[str]()
    leaks: set[str] = set()
    for path in paths(REQUESTS[dialect]):
        if not is_for_redact(path):
            continue
        for form, text in FORMS.items():
            body = whole(dialect, path.value(text))
            try:
                request = DIALECTS[dialect].decode_request(body, {})
            except GatewayError:
                seen["refused"] += 1
                continue
            seen["sent"] += 1
            changed = asyncio.run(policy.on_request(request, PolicyContext("txn_1", request)))
            if DOMAIN in sent(changed):
                leaks.add(f"{path} {form}")
    assert leaks == set()
    assert seen["sent"] > 20 * seen["refused"]

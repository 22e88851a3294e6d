"""A simulated model's legacy completions and embeddings. Pure; equal requests have equal answers.

Each prompt gets an answer of its own, under the index that OpenAI would give it. A vector depends on its input alone:
equal inputs have equal vectors, of length 1.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace as dataclass_replace

import msgspec
from msgspec.structs import replace

from app.backends.simulated.answer import SimulatedAnswer, answer_to, chunks, count_tokens, whole
from app.backends.simulated.scenario import Scenario
from app.dialects.inputs import encode_inputs
from app.dialects.openai_completions.requests import is_suffix
from app.errors import UpstreamRejected
from app.messages import Choice, InputMessage, ModelResponse, Part, Request, TextPart, Usage

_DIMENSIONS = 16
_MOST_DIMENSIONS = 4096
_NO_PROMPT = InputMessage("user", ())


def text_answers(scenario: Scenario, request: Request, turn: int) -> list[SimulatedAnswer]:
    prompts = [message for message in request.messages if not is_suffix(message)]
    # Without a prompt a model begins where it likes.
    return [answer_to(scenario, replace(request, messages=(prompt,)), turn) for prompt in prompts or [_NO_PROMPT]]


def text_chunks(answers: Sequence[SimulatedAnswer], like: ModelResponse) -> Iterator[ModelResponse]:
    for at, answer in enumerate(answers):
        for chunk in chunks(dataclass_replace(answer, usage=None), like):
            yield replace(chunk, choices=_moved(chunk.choices, at * answer.choices))
    if (usage := _sum(answers)) is not None:
        yield replace(like, usage=usage)


def whole_texts(answers: Sequence[SimulatedAnswer], like: ModelResponse) -> ModelResponse:
    choices = [
        choice
        for at, answer in enumerate(answers)
        for choice in _moved(whole(answer, like).choices, at * answer.choices)
    ]
    return replace(like, choices=tuple(choices), usage=_sum(answers))


def vectors(request: Request, like: ModelResponse) -> ModelResponse:
    size = request.extra.get("dimensions") or _DIMENSIONS
    if size > _MOST_DIMENSIONS:
        raise UpstreamRejected(f"At most {_MOST_DIMENSIONS} dimensions.", upstream_status=400, param="dimensions")
    data = [
        {"object": "embedding", "index": at, "embedding": _vector(msgspec.json.encode(encode_inputs([message])), size)}
        for at, message in enumerate(request.messages)
    ]
    tokens = sum(_tokens(part) for message in request.messages for part in message.parts)
    return replace(like, id="", usage=Usage(prompt_tokens=tokens), extra={"data": data})


def _moved(choices: Sequence[Choice], by: int) -> tuple[Choice, ...]:
    return tuple(replace(choice, index=choice.index + by) for choice in choices)


def _sum(answers: Sequence[SimulatedAnswer]) -> Usage | None:
    usages = [answer.usage for answer in answers if answer.usage is not None]
    if not usages:
        return None
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        completion_tokens=sum(usage.completion_tokens for usage in usages),
        reasoning_tokens=sum(usage.reasoning_tokens for usage in usages),
    )


def _vector(seed: bytes, size: int) -> list[float]:
    numbers = struct.unpack(f"<{size}h", hashlib.shake_128(seed).digest(2 * size))
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return [number / length for number in numbers]


def _tokens(part: Part) -> int:
    if isinstance(part, TextPart):
        return max(1, count_tokens(part.text))
    raw = getattr(part, "raw", {})
    return len(raw.get("tokens", ())) or 1

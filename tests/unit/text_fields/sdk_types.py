"""Every place of the official SDKs' types at which a text can stand, and the smallest value that has one there."""

import collections.abc
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin

import pydantic
from anthropic.types import Message, MessageCountTokensParams, RawMessageStreamEvent
from anthropic.types import message_create_params as anthropic_params
from anthropic.types.beta import BetaMessage, BetaRawMessageStreamEvent
from anthropic.types.beta import message_create_params as beta_params
from openai.types import Completion, CreateEmbeddingResponse, EmbeddingCreateParams
from openai.types import completion_create_params as completion_params
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat import completion_create_params as chat_params
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses import response_create_params as responses_params
from typing_extensions import get_type_hints, is_typeddict

from app.messages import Dialect

REQUESTS: dict[Dialect, tuple[Any, ...]] = {
    "openai_chat": (chat_params.CompletionCreateParamsNonStreaming,),
    "openai_completions": (completion_params.CompletionCreateParamsNonStreaming,),
    "openai_embeddings": (EmbeddingCreateParams,),
    "anthropic_messages": (
        anthropic_params.MessageCreateParamsNonStreaming,
        MessageCountTokensParams,
        beta_params.MessageCreateParamsNonStreaming,
    ),
    "openai_responses": (responses_params.ResponseCreateParamsNonStreaming,),
}
ANSWERS: dict[Dialect, tuple[Any, ...]] = {
    "openai_chat": (ChatCompletion,),
    "openai_completions": (Completion,),
    "openai_embeddings": (CreateEmbeddingResponse,),
    "anthropic_messages": (Message, BetaMessage),
    "openai_responses": (Response,),
}
EVENTS: dict[Dialect, tuple[Any, ...]] = {
    "openai_chat": (ChatCompletionChunk,),
    "openai_completions": (Completion,),
    "anthropic_messages": (RawMessageStreamEvent, BetaRawMessageStreamEvent),
    "openai_responses": (ResponseStreamEvent,),
}
_WRAPPERS = (Required, NotRequired, Annotated)


@dataclass(frozen=True)
class Step:
    """Into the `field` of an object of type `owner`; into an item of a list, or a value of a mapping, where None."""

    owner: Any
    field: str
    is_list: bool = False


@dataclass(frozen=True)
class SdkPath:
    steps: tuple[Step, ...]
    is_word: bool = False
    """One of a few words that the API defines."""

    @property
    def field(self) -> str:
        return next(step.field for step in reversed(self.steps) if step.owner is not None)

    @property
    def owner(self) -> Any:
        return next(step.owner for step in reversed(self.steps) if step.owner is not None)

    @property
    def around(self) -> str:
        fields = [step.field for step in self.steps if step.owner is not None]
        return fields[-2] if len(fields) > 1 else ""

    @property
    def parents(self) -> tuple[str, ...]:
        """The values that the type of its object may have."""
        kind = fields_of(self.owner).get("type")
        return tuple(word for word in literals(kind) if isinstance(word, str))

    def __str__(self) -> str:
        return f"{self.owner.__name__}.{self.field}"

    def value(self, leaf: Any) -> Any:
        """The smallest value that has `leaf` here."""
        value = leaf
        for step in reversed(self.steps):
            if step.owner is not None:
                value = smallest(step.owner) | {step.field: value}
            else:
                value = [value] if step.is_list else {"k": value}
        return value


def paths(roots: tuple[Any, ...]) -> Iterator[SdkPath]:
    """A path for each field of each type, in each type that it stands in."""
    seen: set[Any] = set()
    for root in roots:
        yield from _paths(root, (), seen)


def _paths(kind: Any, steps: tuple[Step, ...], seen: set[Any]) -> Iterator[SdkPath]:
    kind = _bare(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (str, Any, object):
        yield SdkPath(steps)
    elif origin is Literal:
        if any(isinstance(word, str) for word in inner):
            yield SdkPath(steps, is_word=True)
    elif origin in (Union, types.UnionType):
        for one in inner:
            yield from _paths(one, steps, seen)
    elif _is_object(kind):
        yield from _paths_of_object(kind, steps, seen)
    elif _is_mapping(kind):
        yield from _paths(inner[1] if inner else object, (*steps, Step(None, "")), seen)
    elif isinstance(origin, type) and issubclass(origin, collections.abc.Iterable):
        yield from _paths(inner[0], (*steps, Step(None, "", is_list=True)), seen)


def _paths_of_object(kind: Any, steps: tuple[Step, ...], seen: set[Any]) -> Iterator[SdkPath]:
    around = next((step.owner for step in reversed(steps) if step.owner is not None), None)
    if (kind, around) in seen or any(step.owner is kind for step in steps):
        return
    seen.add((kind, around))
    for name, field in fields_of(kind).items():
        yield from _paths(field, (*steps, Step(kind, name)), seen)


def smallest(kind: Any) -> dict[str, Any]:
    return {name: _smallest_value(field) for name, field in fields_of(kind).items() if _is_required(kind, name, field)}


def _is_required(kind: Any, name: str, field: Any) -> bool:
    if not is_typeddict(kind):
        return any(info.is_required() for key, info in kind.model_fields.items() if name in (key, info.alias))
    return get_origin(field) is Required or (kind.__total__ and get_origin(field) is not NotRequired)


def _smallest_value(kind: Any) -> Any:
    kind = _bare(kind)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return inner[0]
    if origin in (Union, types.UnionType):
        return None if type(None) in inner else _smallest_value(inner[0])
    if _is_object(kind):
        return smallest(kind)
    if _is_mapping(kind):
        return {}
    if isinstance(origin, type) and issubclass(origin, collections.abc.Iterable):
        return []
    return "x" if kind in (str, Any, object) else 1


def fields_of(kind: Any) -> dict[str, Any]:
    if is_typeddict(kind):
        return get_type_hints(kind, include_extras=True)
    return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}


def literals(kind: Any) -> tuple[Any, ...]:
    kind = _bare(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(word for one in get_args(kind) for word in literals(one))
    return get_args(kind) if get_origin(kind) is Literal else ()


def _bare(kind: Any) -> Any:
    while True:
        if hasattr(kind, "__value__"):
            kind = kind.__value__
        elif get_origin(kind) in _WRAPPERS:
            kind = get_args(kind)[0]
        else:
            return kind


def _is_object(kind: Any) -> bool:
    return is_typeddict(kind) or (isinstance(kind, type) and issubclass(kind, pydantic.BaseModel))


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, collections.abc.Mapping)

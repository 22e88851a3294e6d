"""A chunk taken apart into single things, in the order in which a model says them: thinking, content, tool calls,
finish. Pure.

Each part is a chunk that holds just one of them; log probabilities and the role go with a choice's first, usage comes
last. A chunk of one thing is its own part, the same object, so that it can go on as the provider sent it.
"""

from collections.abc import Iterator

from msgspec.structs import replace

from app.messages import Choice, Message, ModelResponse, part_of


def split(chunk: ModelResponse) -> list[ModelResponse]:
    """`[chunk]` itself where it holds one thing, or none."""
    parts = [piece for choice in chunk.choices for piece in _pieces(choice)]
    if len(parts) <= 1 and (chunk.usage is None or not parts or _is_empty(parts[0])):
        return [chunk]
    split_parts = [part_of(chunk, (piece,)) for piece in parts]
    if chunk.usage is not None:
        split_parts.append(part_of(chunk, (), chunk.usage))
    return split_parts


def _is_empty(piece: Choice) -> bool:
    return piece.finish_reason is None and piece.delta in (None, Message())


def _pieces(choice: Choice) -> Iterator[Choice]:
    """The choice itself where it holds one thing."""
    pieces = list(_delta_pieces(choice.delta)) if choice.delta is not None else []
    if choice.finish_reason is None and len(pieces) <= 1:
        yield choice
        return
    logprobs = choice.logprobs
    for delta in pieces:
        yield Choice(index=choice.index, delta=delta, logprobs=logprobs)
        logprobs = None
    if choice.finish_reason is not None:
        yield replace(choice, delta=Message(), logprobs=logprobs) if pieces else choice


def _delta_pieces(delta: Message) -> Iterator[Message]:
    role = delta.role
    if delta.reasoning_content or delta.thinking_blocks:
        yield Message(role=role, reasoning_content=delta.reasoning_content, thinking_blocks=delta.thinking_blocks)
        role = None
    if delta.content:
        yield Message(role=role, content=delta.content)
        role = None
    for call in delta.tool_calls:
        yield Message(role=role, tool_calls=(call,))
        role = None
    rest = replace(delta, role=role, content=None, reasoning_content=None, thinking_blocks=(), tool_calls=())
    if rest != Message():
        yield rest

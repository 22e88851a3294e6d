"""What went out of a stream as it came, kept as briefly as can be: only after an edit does anybody ask for it.

Pieces of one text are kept as their text alone; of every other event, the chunk with the provider's own bytes.
"""

from dataclasses import dataclass

from app.messages import Message, ModelResponse, Native

_MANY = 256
"""Pieces of a text that are put together now and then, as each costs more than its characters."""


@dataclass(slots=True)
class Run:
    """Neighbouring pieces of one text; `place` is that of `Native`."""

    kind: str
    place: tuple[int, int]
    count: int
    pieces: list[str]

    @property
    def text(self) -> str:
        return "".join(self.pieces)


class Followed:
    def __init__(self) -> None:
        self.events: list[ModelResponse | Run] = []
        self._run: Run | None = None

    def add(self, chunk: ModelResponse, native: Native) -> None:
        if native.place is None:
            self.events.append(chunk)
            self._run = None
            return
        said = chunk.choices[0].delta if chunk.choices else None
        text = _text(said) if said is not None else ""
        run = self._run
        if run is None or run.place != native.place or run.kind != native.kind:
            run = self._run = Run(native.kind, native.place, 0, [])
            self.events.append(run)
        run.count += 1
        run.pieces.append(text)
        if len(run.pieces) > _MANY:
            run.pieces = ["".join(run.pieces)]


def _text(said: Message) -> str:
    if said.content is not None:
        return said.content
    if said.reasoning_content is not None:
        return said.reasoning_content
    return said.tool_calls[0].function.arguments if said.tool_calls else ""

"""How a message ends: the reason, the usage, and the provider's own last events where they still hold. Pure."""

from typing import Any

from app.dialects.anthropic_messages.native_blocks import Event
from app.dialects.anthropic_messages.response_encoding import encode_usage
from app.dialects.estimate import estimate_output_tokens
from app.dialects.stop_reasons import to_anthropic
from app.messages import Choice, ModelResponse, Usage


class MessageEnd:
    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.stop: Event = {"type": "message_stop"}
        self.is_stopped = False
        """The provider has said its last."""
        self._own: Event = {}
        self._reason: str | None = None
        self._sequence: str | None = None

    def count(self, usage: Usage) -> None:
        self.usage = usage
        self._own = {}

    def finished(self, choice: Choice) -> None:
        self._reason, self._sequence = choice.finish_reason, choice.stop_sequence
        self._own = {}

    def native_delta(self, chunk: ModelResponse, own: Event) -> None:
        for choice in chunk.choices:
            if choice.index == 0 and choice.finish_reason is not None:
                self.finished(choice)
        self._own = own

    def native_stop(self, own: Event) -> None:
        self.stop = own
        self.is_stopped = True

    def delta(self, called: bool, chars: int) -> Event:
        """Without a provider's count the input stays as it was estimated, and the output is estimated too."""
        own = self._own
        delta = own.get("delta")
        delta = delta if isinstance(delta, dict) else {}
        reason, sequence = self._stop_reason(delta, called)
        if isinstance(own.get("usage"), dict):
            usage: dict[str, Any] = own["usage"]
        elif self.usage is None:
            usage = {"output_tokens": estimate_output_tokens(chars)}
        else:
            usage = encode_usage(self.usage)
        ending = {**delta, "stop_reason": reason, "stop_sequence": sequence}
        return {"type": "message_delta", **own, "delta": ending, "usage": usage}

    def _stop_reason(self, delta: Event, called: bool) -> tuple[str, str | None]:
        """The provider's own word where it gave one and it still holds."""
        word, sequence = delta.get("stop_reason"), delta.get("stop_sequence") or self._sequence
        reason = to_anthropic(self._reason, self._sequence, called)
        if isinstance(word, str):
            known = to_anthropic(word, sequence, called)
            reason = word if known == "end_turn" and word != "tool_use" else known
        return reason, sequence if reason == "stop_sequence" else None

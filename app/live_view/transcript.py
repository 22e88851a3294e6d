"""A conversation as the lines of a terminal, while it goes on. Pure.

One turn speaks at a time: what others say meanwhile waits for its end, or until it has been silent for a while.
"""

import re
import sys
from datetime import datetime
from textwrap import fill

from rich.cells import cell_len
from rich.text import Text

from app.figures import duration
from app.live_view.inert import inert, inert_lines
from app.live_view.speech import ConversationFound, Speech, SpeechEvent, SpeechKind, TurnBegan, TurnEnded, TurnLost

_SILENCE = 4.0
"""Seconds after which another turn may speak."""
_STYLES: dict[SpeechKind, str] = {
    "text": "",
    "thinking": "dim italic",
    "call": "cyan",
    "result": "dim",
    "refusal": "yellow",
    "note": "dim",
}
_INDENT = "   "
_PIECES = re.compile(r"\n|[^\S\n]+|\S+")
_ROLES = {"user": "bold green", "assistant": "bold"}


class Transcript:
    """Takes events, and returns what to write for them. Lines are broken between words at `width` columns; None leaves
    them whole."""

    def __init__(self, width: int | None = None) -> None:
        self.width = width
        self._turn = ""
        """The turn that speaks; empty where none does."""
        self._began: dict[str, TurnBegan] = {}
        self._waiting: dict[str, list[SpeechEvent]] = {}
        self._headed = ""
        """The turn of the last heading."""
        self._block: tuple[str, int] | None = None
        self._column = 0
        """Where the line goes on; 0 for a new one."""
        self._last_at = 0.0
        self._over: set[str] = set()

    def add(self, event: SpeechEvent, now: float) -> Text:
        """`now` is in monotonic seconds."""
        if isinstance(event, ConversationFound):
            return self._line(Text(f"conversation {inert(event.conversation)}", "bold"))
        if event.turn in self._over:
            # The console begins with the last turns again, after it has been away.
            return Text()
        if self._turn not in ("", event.turn):
            self._waiting.setdefault(event.turn, []).append(event)
            return self.pause(now)
        self._last_at = now
        self._turn = event.turn
        written = self._written(event)
        return written if self._turn else written.append_text(self._next(now))

    def note(self, text: str) -> Text:
        """A line that nobody says."""
        return self._line(Text(f"── {inert(text)}", "yellow"))

    def pause(self, now: float) -> Text:
        """Let another turn speak, if the present one has been silent for long."""
        return self._next(now) if self._waiting and now - self._last_at > _SILENCE else Text()

    def _next(self, now: float) -> Text:
        """Have those speak that waited, until one of them goes on."""
        written = Text()
        while self._waiting:
            self._turn = turn = next(iter(self._waiting))
            events = self._waiting.pop(turn)
            self._last_at = now
            for event in events:
                written.append_text(self._written(event))
            if self._turn:
                break
        return written

    def _written(self, event: SpeechEvent) -> Text:
        match event:
            case TurnBegan():
                self._began[event.turn] = event
                return self._heading(event, datetime.fromtimestamp(event.at).strftime("%H:%M:%S"))
            case Speech() if self._headed != event.turn and event.turn in self._began:
                return self._heading(self._began[event.turn], "goes on").append_text(self._speech(event))
            case Speech():
                return self._speech(event)
            case TurnEnded():
                return self._end(event.turn, _figures(event, self.width or sys.maxsize))
            case TurnLost():
                return self._end(event.turn, Text("── ended; the recorder kept nothing of this turn", "dim"))
            case _:
                return Text()

    def _heading(self, turn: TurnBegan, word: str) -> Text:
        self._headed = turn.turn
        who = f"  agent {turn.agent}" if turn.agent else ""
        line = self._line(Text(inert(f"── {word}  {turn.model}{who}"), "bold magenta"))
        return Text("\n").append_text(line)

    def _speech(self, speech: Speech) -> Text:
        style = _STYLES.get(speech.kind, "")
        text = inert_lines(speech.text)
        if speech.kind in ("result", "note"):
            text = text.replace("\n", "\n  ")
        if self._block == (speech.turn, speech.block):
            return Text(self._wrapped(text), style)
        label = _label(speech)
        opened = self._line(label, ends=False)
        self._block, self._column = (speech.turn, speech.block), cell_len(label.plain)
        return opened.append(self._wrapped(text), style)

    def _wrapped(self, text: str) -> str:
        """The text, broken between words at the end of a line."""
        width, broken = self.width or sys.maxsize, list[str]()
        for piece in _PIECES.findall(text):
            cells = 0 if piece == "\n" else cell_len(piece)
            if piece == "\n" or (self._column and self._column + cells > width):
                broken.append("\n")
                self._column = 0
                if piece.isspace():
                    continue
            broken.append(piece)
            self._column += cells
        return "".join(broken)

    def _end(self, turn: str, line: Text) -> Text:
        self._over.add(turn)
        self._began.pop(turn, None)
        self._turn = ""
        return self._line(line)

    def _line(self, line: Text, *, ends: bool = True) -> Text:
        """A line of its own, or its beginning."""
        before = Text("\n") if self._column else Text()
        self._block, self._column = None, 0 if ends else cell_len(line.plain)
        return before.append_text(line).append("\n" if ends else "")


def _label(speech: Speech) -> Text:
    match speech.kind:
        case "call":
            return Text(f"→ {inert(speech.name)} ", "bold cyan")
        case "result":
            return Text(f"← {inert(speech.name)} ", "dim cyan")
        case "note":
            return Text("· ", "dim")
        case "thinking":
            return Text("thinking ", "bold dim")
        case _:
            return Text(f"{inert(speech.role)} ", _ROLES.get(speech.role, "bold"))


def _figures(end: TurnEnded, width: int) -> Text:
    """The outcome with its figures on one line, or below it where that is too narrow."""
    figures = [duration(end.duration_s)]
    if end.ttft_s is not None:
        figures.append(f"first token {duration(end.ttft_s)}")
    if end.input_tokens or end.output_tokens:
        cached = f" ({end.cached_tokens:,} from a cache)" if end.cached_tokens else ""
        figures.append(f"{end.input_tokens:,} tokens in{cached}, {end.output_tokens:,} out")
    if end.cost_usd is not None:
        figures.append(f"${end.cost_usd:.4f}")
    outcome, listed = f"── {end.outcome}", ", ".join(figures)
    rest = f"  {listed}"
    if len(outcome) + len(rest) > width:
        rest = "\n" + fill(listed, max(20, width), initial_indent=_INDENT, subsequent_indent=_INDENT)
    detail = f"\n{_INDENT}{inert(end.detail)}" if end.detail else ""
    style = "green" if end.outcome == "ok" else "red"
    return Text.assemble((outcome, style), (rest, "dim"), (detail, style))

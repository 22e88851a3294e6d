"""Where in the body that a client sent a part stands, for the error that names it. Pure."""

from dataclasses import dataclass

from app.messages import InputMessage, Part, ToolResultPart


@dataclass(frozen=True)
class PartPaths:
    """The parts of one message, whose content stands at `content`. They are told apart by identity: an encoder may put
    them in another order."""

    message: InputMessage
    content: str

    def of(self, part: Part) -> str:
        """The path of a part; that of the content where it is not known which of its parts it was."""
        role = self.message.role
        for at, one in enumerate(self.message.parts):
            # The result that is a message is its content; an assistant's calls and thinking may stand beside that.
            here = self.content if role in ("tool", "assistant") else f"{self.content}[{at}]"
            if one is part:
                return here
            if isinstance(one, ToolResultPart):
                inner = self.content if role == "tool" else f"{here}.content"
                for number, found in enumerate(one.content):
                    if found is part:
                        return f"{inner}[{number}]"
        return self.content

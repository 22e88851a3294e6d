"""What Anthropic's API demands of the order and the content of messages, and conversations made to keep to it. Pure.

No text is empty or of white space alone; each call has its result in the next message, first in it, and each result
its call; ids of calls are unique; a user begins, and where the model takes no prefill a user ends. Nothing is lost on
the way: a result whose call is gone becomes text, and a call whose result is gone gets one that says so.

Everything is decided by what stands before it, so the beginning of a prompt stays the same from turn to turn.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

_Message = dict[str, Any]
_Blocks = list[dict[str, Any]]
_NO_RESULT = "No result of this call was recorded."
_CONTINUE = "Continue."
_BEGINNING = "(The conversation begins with the assistant's turn.)"


def without_blank_texts(messages: list[_Message]) -> list[_Message]:
    """The messages without texts that are empty or of white space, and without those of which nothing is left. The
    same list where there is none."""
    mended: list[_Message] = []
    is_same = True
    for message in messages:
        content = message.get("content")
        kept = message if isinstance(content, str) and content.strip() else _without_blanks(message)
        is_same = is_same and kept is message
        if kept is not None:
            mended.append(kept)
    if is_same:
        return messages
    if messages[-1].get("role") == "user" and (not mended or mended[-1] is not messages[-1]) and _ends(mended):
        # Without the turn that said nothing, the assistant's would be a prefill.
        mended.append({"role": "user", "content": _CONTINUE})
    return mended


def blocks_without_blanks(content: Any) -> Any:
    """Content without blank texts, in results of tools too; the same object where there is none."""
    if isinstance(content, str):
        return content if content.strip() else ""
    if not isinstance(content, list):
        return content
    mended: list[Any] = []
    is_same = True
    for block in content:
        kept = _block_without_blanks(block)
        is_same = is_same and kept is block
        if kept is not None:
            mended.append(kept)
    return content if is_same else mended


def merged(messages: Iterable[_Message]) -> list[_Message]:
    """The messages with neighbours of one role joined, and in each the results first and the calls last."""
    joined: list[_Message] = []
    for message in messages:
        if joined and joined[-1]["role"] == message["role"]:
            joined[-1] = {
                "role": message["role"],
                "content": [*_blocks(joined[-1]["content"]), *_blocks(message["content"])],
            }
        else:
            joined.append(message)
    return joined if _are_texts(joined) else [_in_order(message) for message in joined]


def paired(messages: list[_Message]) -> list[_Message]:
    """The messages with the result of each call right behind it."""
    if _are_texts(messages):
        return messages
    results = _results(messages)
    calls = _calls(messages)
    if not results and not calls:
        return messages
    unclaimed = {id(block) for found in results.values() for _, block in found}
    seen: Counter[str] = Counter()
    out: list[_Message] = []
    for at, message in enumerate(messages):
        if message["role"] == "assistant":
            out += _with_results(message, at, results, calls, seen, unclaimed)
        elif blocks := [one for block in _blocks(message["content"]) for one in _beside_results(block, unclaimed)]:
            whole = isinstance(message["content"], str)
            out.append(message if whole else {**message, "content": blocks})
    return out


def bounded(messages: list[_Message], prefill: bool) -> list[_Message]:
    """The messages with a user's at the beginning, and at the end where the model takes no beginning of an answer."""
    if messages and messages[0]["role"] != "user":
        messages = [{"role": "user", "content": _BEGINNING}, *messages]
    if not _ends(messages):
        return messages
    return [*messages[:-1], *_trimmed(messages[-1])] if prefill else [*messages, _message(_CONTINUE)]


def trimmed(messages: list[_Message]) -> list[_Message]:
    """The messages without the white space at the end of an answer's beginning. The same list where there is none."""
    if not _ends(messages):
        return messages
    last = _trimmed(messages[-1])
    return messages if last == [messages[-1]] else [*messages[:-1], *last]


def _are_texts(messages: Sequence[_Message]) -> bool:
    """Whether there are neither calls nor results, nor anything else but texts."""
    return {type(message["content"]) for message in messages} <= {str}


def _message(text: str) -> _Message:
    return {"role": "user", "content": text}


def _ends(messages: Sequence[_Message]) -> bool:
    return bool(messages) and messages[-1].get("role") == "assistant"


def _trimmed(message: _Message) -> list[_Message]:
    content = message["content"]
    if isinstance(content, str):
        return [{**message, "content": content.rstrip()}]
    last = content[-1] if content else {}
    if last.get("type") != "text" or last["text"] == last["text"].rstrip():
        return [message]
    return [{**message, "content": [*content[:-1], {**last, "text": last["text"].rstrip()}]}]


def _without_blanks(message: _Message) -> _Message | None:
    content = message.get("content")
    mended = blocks_without_blanks(content)
    if mended is content and mended != "" and mended != []:
        return message
    return {**message, "content": mended} if mended else None


def _block_without_blanks(block: dict[str, Any]) -> dict[str, Any] | None:
    match block:
        case {"type": "text", "text": str(text)}:
            return block if text.strip() else None
        case {"type": "tool_result", "content": content}:
            mended = blocks_without_blanks(content)
            if mended is content:
                return block
            rest = {name: value for name, value in block.items() if name != "content"}
            return {**rest, "content": mended} if mended else rest
        case _:
            return block


def _blocks(content: str | _Blocks) -> _Blocks:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _in_order(message: _Message) -> _Message:
    content = message["content"]
    if isinstance(content, str):
        return message
    if message["role"] == "assistant":
        ordered = _texts_before_calls(content)
    else:
        ordered = sorted(content, key=lambda block: block["type"] != "tool_result")
    return message if ordered == content else {**message, "content": ordered}


def _texts_before_calls(content: _Blocks) -> _Blocks:
    first = next((at for at, block in enumerate(content) if block["type"] == "tool_use"), len(content))
    behind = content[first:]
    texts = [block for block in behind if block["type"] == "text"]
    return [*content[:first], *texts, *(block for block in behind if block["type"] != "text")]


def _results(messages: Sequence[_Message]) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """Ids of calls -> where their results stand."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for at, message in enumerate(messages):
        for block in _blocks(message["content"]):
            if block["type"] == "tool_result":
                found[block["tool_use_id"]].append((at, block))
    return found


def _calls(messages: Sequence[_Message]) -> dict[str, list[int]]:
    """Ids of calls -> the messages that make them: more than one where a provider numbers its calls anew each turn."""
    found: dict[str, list[int]] = defaultdict(list)
    for at, message in enumerate(messages):
        for block in _blocks(message["content"]):
            if block["type"] == "tool_use":
                found[block["id"]].append(at)
    return found


def _with_results(
    message: _Message,
    at: int,
    results: dict[str, list[tuple[int, dict[str, Any]]]],
    calls: dict[str, list[int]],
    seen: Counter[str],
    unclaimed: set[int],
) -> Iterable[_Message]:
    content: _Blocks = []
    answers: _Blocks = []
    for block in _blocks(message["content"]):
        if block["type"] != "tool_use":
            content.append(block)
            continue
        call_id = block["id"]
        limit = next((later for later in calls[call_id] if later > at), None)
        found = next(
            (
                one
                for position, one in results[call_id]
                if position > at and id(one) in unclaimed and not _is_past(position, limit)
            ),
            None,
        )
        seen[call_id] += 1
        unique = call_id if seen[call_id] == 1 else f"{call_id}_{seen[call_id]}"
        content.append({**block, "id": unique} if unique != call_id else block)
        if found is None:
            answers.append({"type": "tool_result", "tool_use_id": unique, "content": _NO_RESULT, "is_error": True})
        else:
            unclaimed.discard(id(found))
            answers.append({**found, "tool_use_id": unique} if unique != call_id else found)
    yield message if isinstance(message["content"], str) else {**message, "content": content}
    if answers:
        yield {"role": "user", "content": answers}


def _is_past(position: int, limit: int | None) -> bool:
    return limit is not None and position > limit


def _beside_results(block: dict[str, Any], unclaimed: set[int]) -> _Blocks:
    """What stays where it is: all but results, and results that no call claimed, as text."""
    if block["type"] != "tool_result":
        return [block]
    if id(block) not in unclaimed:
        return []
    heading = f"Output of tool call {block['tool_use_id']}:"
    content = block.get("content") or ""
    if isinstance(content, str):
        return [{"type": "text", "text": f"{heading}\n{content}".rstrip()}]
    return [{"type": "text", "text": heading}, *content]

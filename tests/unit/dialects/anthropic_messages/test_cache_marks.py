"""Cache marks of clients of other APIs: the API takes four."""

from typing import Any

from app.dialects import anthropic_messages, openai_chat
from app.dialects.anthropic_messages.cache_marks import with_fewer_marks

_MARK = {"cache_control": {"type": "ephemeral"}}


def _text(text: str, *, marked: bool = True) -> dict[str, Any]:
    return {"type": "text", "text": text, **(_MARK if marked else {})}


def _turns(count: int) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    return [{"role": roles[at % 2], "content": [_text(f"t{at}")]} for at in range(count)]


def _tool(name: str, *, marked: bool = True) -> dict[str, Any]:
    function = {"name": name, "parameters": {"type": "object"}}
    return {"type": "function", "function": function, **(_MARK if marked else {})}


def _encoded(messages: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    request = openai_chat.decode_request({"model": "claude-x", "messages": messages, **fields}, {})
    return anthropic_messages.encode_request(request)


def _marked(body: dict[str, Any]) -> list[str]:
    """What has a mark, in the order of the prompt."""
    system = body.get("system", [])
    blocks = [block for message in body["messages"] for block in message["content"]]
    found = [*body.get("tools", []), *(system if isinstance(system, list) else []), *blocks]
    names = [one.get("text") or one.get("name") or one["tool_use_id"] for one in found if "cache_control" in one]
    return [str(name) for name in names]


def test_four_marks_stay() -> None:
    assert _marked(_encoded(_turns(4))) == ["t0", "t1", "t2", "t3"]


def test_of_many_messages_the_last_ones_stay() -> None:
    assert _marked(_encoded(_turns(7))) == ["t3", "t4", "t5", "t6"]


def test_the_ends_of_tools_and_system_stay_before_any_message() -> None:
    system = {"role": "system", "content": [_text("s0"), _text("s1")]}
    tools = [_tool("f"), _tool("g")]
    assert _marked(_encoded([system, *_turns(5)], tools=tools)) == ["g", "s1", "t3", "t4"]
    assert _marked(_encoded([system, *_turns(1)], tools=tools)) == ["g", "s0", "s1", "t0"]


def test_the_mark_of_the_whole_request_is_one_of_the_four() -> None:
    assert _marked(_encoded(_turns(5), **_MARK)) == ["t2", "t3", "t4"]


def test_everything_but_the_marks_stays() -> None:
    bare = [{**turn, "content": [_text(turn["content"][0]["text"], marked=False)]} for turn in _turns(3)]
    marked, unmarked = _encoded([*bare, *_turns(7)[3:]]), _encoded([*bare, *_turns(7)[3:]])
    assert marked == unmarked
    assert _encoded(_turns(7))["messages"][3:] == marked["messages"][3:]


def test_the_clients_own_form_and_that_of_chat_completions_are_counted_alike() -> None:
    called = {"role": "assistant", "tool_calls": [{"id": "c", **_MARK}]}
    body = {"messages": [{"role": "system", "content": [_text("s")]}, *_turns(4), called, {"role": "user", **_MARK}]}
    messages = with_fewer_marks(body)["messages"]
    assert [message.get("content", [{}])[0].get("cache_control") is not None for message in messages[:5]] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert (messages[5], messages[6]) == (called, {"role": "user", **_MARK})


def test_a_request_of_this_api_goes_on_as_it_came() -> None:
    turns = _turns(6)
    request = anthropic_messages.decode_request({"model": "m", "max_tokens": 9, "messages": turns}, {})
    assert anthropic_messages.encode_request(request)["messages"] == turns

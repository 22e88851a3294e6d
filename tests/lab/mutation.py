"""Changes to inputs that keep most of their structure: JSON trees, event streams, plain bytes; by `rng` alone."""

import json
from random import Random
from typing import Any

_STRANGE: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    2**63,
    10**40,
    "",
    "x",
    "text",
    "\x00",
    "é🌷",
    "a" * 5000,
    "data:image/png;base64,AAAA",
    "https://example.org/a.png",
    "{",
    '{"a": 1}',
    [],
    {},
    [[]],
    [None],
    [{}],
    {"type": "text"},
    {"type": None},
    {"text": "x"},
)
_TYPES = """
text input_text output_text image_url input_image image document file input_file tool_use tool_result function custom
thinking redacted_thinking reasoning refusal message function_call function_call_output custom_tool_call compaction
server_tool_use web_search_call mcp_call error ping content_block_start content_block_delta message_delta auto any
response.completed response.failed response.output_text.delta response.output_item.done json_schema url base64
""".split()  # noqa: SIM905 - a list of so many words is easier to read so


def mutated(data: bytes, rng: Random) -> bytes:
    """JSON as JSON, an event stream event by event, or either as the bytes it is."""
    if rng.random() < 0.1:
        return mutated_bytes(data, rng)
    try:
        return json.dumps(mutated_tree(json.loads(data), rng)).encode()
    except ValueError:
        return mutated_stream(data, rng)


def mutated_stream(data: bytes, rng: Random) -> bytes:
    events = data.split(b"\n\n")
    at = rng.randrange(len(events))
    match rng.randrange(6):
        case 0:
            del events[at]
        case 1:
            events.insert(at, events[rng.randrange(len(events))])
        case 2:
            events[at], events[-at] = events[-at], events[at]
        case 3:
            return mutated_bytes(data, rng)
        case _:
            events[at] = _mutated_event(events[at], rng)
    return b"\n\n".join(events)


def _mutated_event(event: bytes, rng: Random) -> bytes:
    head, mark, data = event.partition(b"data:")
    try:
        tree = json.loads(data)
    except ValueError:
        return mutated_bytes(event, rng)
    return head + mark + b" " + json.dumps(mutated_tree(tree, rng)).encode()


def mutated_tree(tree: Any, rng: Random) -> Any:
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        positions = list(_positions(tree))
        if not positions:
            return rng.choice(_STRANGE)
        holder, key = rng.choice(positions)
        _change(holder, key, rng, positions)
    return tree


def mutated_bytes(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data or b"{}")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) + 1)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([rng.choice(b'\r\n :{}[]",\x00\xff\xef\xbb\xbf')])
            case 1:
                changed[at:at] = changed[at : at + rng.randint(1, 40)]
            case 2:
                del changed[at : at + rng.randint(1, 20)]
            case _:
                changed[at:at] = rng.choice((b"\r\n\r\n", b"\n\n", b"data:", b"event: ", b": ", b"\xf0\x9f", b"[DONE]"))
    return bytes(changed)


def _positions(node: Any) -> Any:
    """Every key of every object and index of every list, with what holds it."""
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key
        yield from _positions(node[key])


def _change(holder: Any, key: Any, rng: Random, positions: list[tuple[Any, Any]]) -> None:
    match rng.randrange(5):
        case 0:
            del holder[key]
        case 1:
            other, name = rng.choice(positions)
            holder[key] = json.loads(json.dumps(other.get(name) if isinstance(other, dict) else other[name]))
        case 2 if key == "type" or isinstance(holder[key], str):
            holder[key] = rng.choice(_TYPES)
        case 3 if isinstance(holder, list):
            holder.insert(key, json.loads(json.dumps(holder[key])))
        case _:
            holder[key] = json.loads(json.dumps(rng.choice(_STRANGE)))

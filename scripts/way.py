"""Which of the product's modules and functions one streamed request enters, counted with `sys.setprofile`.

The gateway is called as an ASGI application, with a simulated model: no network, no server. The second request is
counted, so that what is made once at start is left out.

    python scripts/way.py [--list] ok|edited|refused|cut [CHECKOUT]
"""

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

MODELS = {
    "ok": "simulated/lorem",
    "edited": "simulated/lorem",
    "refused": "simulated/status-500",
    "cut": "simulated/cut-5",
}
"""The kinds of request: as it came; a text that `redact` edits; refused before the first byte; cut off after it."""


class Way(NamedTuple):
    """A kind of request: the simulated model that answers it, and what its reply (status, then body) has in it."""

    model: str
    reply: str
    policies: tuple[Any, ...] = ()


_REDACT = {"use": "redact", "config": {"patterns": ["email"]}}
WAYS = {
    "ok": Way("simulated/lorem", r"^200 .*@example.*\[DONE\]"),
    "edited": Way("simulated/lorem", r"^200 (?!.*@example).*\[DONE\]", (_REDACT,)),
    "refused": Way("simulated/status-500", r"^50\d "),
    "cut": Way("simulated/cut-5", r"^200 (?!.*\[DONE\])"),
}
_TEXT = "Please write to grace.hopper@example.com now."
_PACKAGES = ("app", "telemetry")

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def entered(kind: str, root: Path) -> list[tuple[str, str]]:
    """Module and name of each function that a request of this kind enters, in the order of first entry."""
    sys.path.insert(0, str(root))
    from app.configuration import parse
    from app.main import create_app

    way = WAYS[kind]
    return asyncio.run(_counted(create_app(parse(_configuration(way)).settings), way, root))


def _configuration(way: Way) -> str:
    model = {"model_name": "m", "litellm_params": {"model": way.model, "texts": [_TEXT]}}
    gateway = {"policies": way.policies}
    return json.dumps({"model_list": [model], "router_settings": {"num_retries": 0}, "gateway": gateway})


async def _counted(application: Application, way: Way, root: Path) -> list[tuple[str, str]]:
    functions: dict[tuple[str, str], None] = {}
    folders = tuple(str(root / package) + os.sep for package in _PACKAGES)

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folders):
            name = getattr(code, "co_qualname", code.co_name)
            functions[os.path.relpath(code.co_filename, root), name] = None

    await _reply(application)
    sys.setprofile(note)
    try:
        reply = await _reply(application)
    finally:
        sys.setprofile(None)
    if not re.search(way.reply, reply, re.DOTALL):
        raise SystemExit(f"another reply than expected: {reply}")
    return list(functions)


async def _reply(application: Application) -> str:
    """Status and body, with a space between, of what the gateway answers to one streamed request."""
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    reply: list[bytes] = []
    messages = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await asyncio.get_running_loop().create_future()

    async def send(message: Message) -> None:
        reply.append(str(message.get("status", "")).encode() + b" " * ("status" in message) + message.get("body", b""))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/chat/completions",
        "raw_path": b"/v1/chat/completions",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await application(scope, receive, send)
    return b"".join(reply).decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=WAYS)
    parser.add_argument("checkout", nargs="?", default=Path(__file__).parents[1], type=Path)
    parser.add_argument("--list", action="store_true", help="each function on a line, in the order of first entry")
    given = parser.parse_args()
    functions = entered(given.kind, given.checkout.resolve())
    if given.list:
        sys.stdout.write("".join(f"{module}:{name}\n" for module, name in functions))
    changes = sum(first[0] != second[0] for first, second in pairwise(functions))
    counts = {"modules": len({module for module, _ in functions}), "functions": len(functions), "changes": changes}
    sys.stdout.write(json.dumps(counts) + "\n")


if __name__ == "__main__":
    main()

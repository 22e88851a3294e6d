"""The one place where LiteLLM is imported, after its environment is set and its version is checked.

Promised: nothing is fetched at import (cost map), no `.env` is read, no telemetry or callback of its own is on, and a
version known to be compromised is not executed: the check comes before the import.
"""

import asyncio
import importlib
import importlib.metadata
import logging
import os
import sys
import threading
from functools import cache
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from app.dialects.finish_reasons import WORDS

_REFUSED = frozenset({"1.82.6", "1.82.7", "1.82.8"})
"""1.82.7 and 1.82.8 carried a credential stealer; 1.82.6 lies in the range of CVE-2026-42208."""


class RefusedLiteLLM(Exception):
    """The installed version of LiteLLM must not be executed."""


_lock = threading.Lock()
_users: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakSet[object]] = WeakKeyDictionary()
_ready: list[ModuleType] = []


def loaded() -> ModuleType | None:
    """LiteLLM if it is ready, else None. Never waits."""
    return _ready[0] if _ready else None


def load() -> ModuleType:
    """Import LiteLLM and make it ready for use. Blocks for seconds the first time: call it in a thread."""
    with _lock:
        if not _ready:
            check_version(importlib.metadata.version("litellm"))
            os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
            os.environ["LITELLM_MODE"] = "PRODUCTION"
            litellm = importlib.import_module("litellm")
            _build_types(litellm)
            _quieten(litellm)
            _extend_finish_reasons()
            _follow_no_redirect()
            _ready.append(litellm)
        return _ready[0]


def check_version(version: str) -> None:
    if version in _REFUSED:
        raise RefusedLiteLLM(f"litellm {version} is known to be compromised or vulnerable; install another version.")


def _build_types(litellm: ModuleType) -> None:
    """Have Pydantic complete LiteLLM's types, which it would do at their first use, in the first caller's time."""
    types = importlib.import_module("litellm.types.utils")
    litellm.ModelResponse(choices=[types.Choices(message=types.Message(content=""))], usage=litellm.Usage())
    litellm.ModelResponseStream(choices=[types.StreamingChoices(delta=types.Delta(content=""))])


def _extend_finish_reasons() -> None:
    """Have LiteLLM understand words for the end of an answer as the gateway does: it takes a failure, and any word that
    it does not know, for a good end, and keeps nothing of it in a stream."""
    known = importlib.import_module("litellm.litellm_core_utils.core_helpers")._FINISH_REASON_MAP
    for meaning, words in WORDS.items():
        # Of its own words this one stands for a failure.
        word = "malformed_function_call" if meaning == "failed" else meaning
        known.update({spelling: word for one in words for spelling in (one, one.upper())})


def _follow_no_redirect() -> None:
    """Have LiteLLM take a redirect for the provider's answer, as deployments that are asked directly do: it would send
    the prompt, and most providers' keys, to whatever address that names, and ask there by GET. The images that it
    fetches are asked for by GET from the beginning."""
    transport = importlib.import_module("litellm.llms.custom_httpx.aiohttp_transport").LiteLLMAiohttpTransport
    send = transport.handle_async_request

    async def without_location(self: Any, request: Any) -> Any:
        response = await send(self, request)
        if request.method == "POST" and 300 <= response.status_code < 400:
            response.headers.pop("location", None)
        return response

    transport.handle_async_request = without_location


def _quieten(litellm: Any) -> None:
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.set_verbose = False
    for callbacks in ("callbacks", "success_callback", "failure_callback", "input_callback", "service_callback"):
        setattr(litellm, callbacks, [])
    litellm.cache = None
    # A model that repeats itself is the caller's to judge; the default of 100 ends honest streams (long tables).
    litellm.REPEATED_STREAMING_CHUNK_LIMIT = sys.maxsize
    # Images that LiteLLM fetches itself, for providers that take no URL: never from a private address.
    litellm.user_url_validation = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        # Its own write to stderr what it was asked and answered; the gateway's log has one way out.
        logger.handlers.clear()
        logger.propagate = True


def use_clients(user: object) -> None:
    """Note that somebody uses the connections that LiteLLM keeps in this event loop."""
    _users.setdefault(asyncio.get_running_loop(), WeakSet()).add(user)


async def close_clients(user: object) -> None:
    """Close the connections to providers that LiteLLM keeps open for the next request, unless others than `user` use
    them in this event loop."""
    users = _users.get(asyncio.get_running_loop(), WeakSet())
    users.discard(user)
    if not users and (litellm := loaded()) is not None:
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()
        # Made anew at its next use; else a gateway of another event loop would go on with this one's.
        vars(litellm).pop("module_level_aclient", None)


@cache
def reserved_names() -> frozenset[str]:
    """Every name that LiteLLM reads from its arguments as an order to itself."""
    types = importlib.import_module("litellm.types.utils")
    router = importlib.import_module("litellm.types.router")
    return frozenset(types.all_litellm_params) | frozenset(router.GenericLiteLLMParams.model_fields)

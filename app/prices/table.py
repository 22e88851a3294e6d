"""LiteLLM's table of models, read from the file that comes with it; LiteLLM itself takes seconds to import.

The file of a release does not change, so the release is the table's version, and the day it was built its date.
"""

import importlib.util
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FILE = "model_prices_and_context_window_backup.json"
PINNED = ("1.106.2", "2026-10-21")
"""The release that the gateway is locked to, and the day on which it was built; a test holds the first."""


def read_table() -> bytes:
    """The table as JSON, some 3 MB: an object by model. An empty object where there is no LiteLLM."""
    found = importlib.util.find_spec("litellm")
    if found is None or not found.submodule_search_locations:
        return b"{}"
    try:
        return (Path(found.submodule_search_locations[0]) / _FILE).read_bytes()
    except OSError:
        return b"{}"


def table_name() -> str:
    """Which table it is, for people: `litellm 1.106.2 of 2026-10-21`."""
    try:
        installed = version("litellm")
    except PackageNotFoundError:
        return "litellm, which is not installed"
    pinned, day = PINNED
    return f"litellm {installed} of {day}" if installed == pinned else f"litellm {installed}"

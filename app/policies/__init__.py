"""What a policy is, how one is loaded, and those that are built in (`builtin`).

Authors import all this from the public package `flowspan`; the guide is docs/writing-policies.md.
"""

from app.policies.base import HOOKS, Hook, OptionError, Policy, overridden
from app.policies.changed_files import loaded_files
from app.policies.context import PolicyContext, StreamContext
from app.policies.loading import (
    BUILTIN,
    LoadedPolicy,
    OnError,
    PolicyNotLoadable,
    load_policies,
    load_policy,
    loaded,
    located,
)

__all__ = [
    "BUILTIN",
    "HOOKS",
    "Hook",
    "LoadedPolicy",
    "OnError",
    "OptionError",
    "Policy",
    "PolicyContext",
    "PolicyNotLoadable",
    "StreamContext",
    "load_policies",
    "load_policy",
    "loaded",
    "loaded_files",
    "located",
    "overridden",
]

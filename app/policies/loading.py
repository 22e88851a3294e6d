"""From what an operator wrote (`use`, `config`) to a policy that runs; faults are found at start, option by option."""

import importlib
import inspect
from collections.abc import Callable, Iterable
from typing import Any, Literal, get_type_hints

import msgspec
from msgspec import Struct

from app.conversion import Fault, convert_struct, did_you_mean
from app.policies.base import HOOKS, Hook, OptionError, Policy, overridden
from app.settings import PolicySpec

BUILTIN = {
    "noop": "app.policies.builtin.noop:Noop",
    "redact": "app.policies.builtin.redact:Redact",
}


OnError = Literal["fail_closed", "fail_open"]


class PolicyNotLoadable(Exception):
    """`faults` say what is wrong, with paths inside the policy's entry: `("use",)`, `("config", "patterns", 0)`."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


class LoadedPolicy(Struct, frozen=True):
    """A policy with what the pipeline needs to know of it, found once."""

    policy: Policy
    name: str
    hooks: frozenset[Hook]
    on_error: OnError

    @property
    def streaming_hooks(self) -> frozenset[Hook]:
        return self.hooks - {"on_request", "on_response"}


def load_policies(specs: Iterable[PolicySpec]) -> tuple[LoadedPolicy, ...]:
    return tuple(load_policy(spec) for spec in specs)


def load_policy(spec: PolicySpec) -> LoadedPolicy:
    return loaded(_build(_find_class(spec.use), spec.config), spec.on_error)


def loaded(policy: Policy, on_error: OnError = "fail_closed") -> LoadedPolicy:
    """A policy that is already made."""
    kind = type(policy)
    _check_hooks(kind)
    return LoadedPolicy(policy, kind.name or kind.__name__, overridden(policy), on_error)


def _find_class(use: str) -> type[Policy]:
    if use not in BUILTIN and ":" not in use:
        known = ", ".join(BUILTIN)
        raise _not_usable(
            f"unknown policy{did_you_mean(use, BUILTIN)}; built in are {known}, others are written package.module:Class"
        )
    module_name, _, class_name = BUILTIN.get(use, use).partition(":")
    # An operator's module may fail in any way while it is imported; all of them mean the same here.
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise _not_usable(f"cannot import {module_name}: {type(error).__name__}: {error}") from error
    kind = getattr(module, class_name, None)
    if kind is None:
        raise _not_usable(f"{module_name} has no {class_name}{did_you_mean(class_name, vars(module))}")
    if not (isinstance(kind, type) and issubclass(kind, Policy)):
        raise _not_usable(f"{class_name} is not a class derived from app.policies.base.Policy")
    return kind


def _check_hooks(kind: type[Policy]) -> None:
    for hook in (name for name in dir(kind) if name.startswith("on_")):
        if hook not in HOOKS:
            # It would never be called, and what it was to guard would go by unseen.
            raise _not_usable(f"{kind.__name__}.{hook} is not a hook{did_you_mean(hook, HOOKS)}")
        if not inspect.iscoroutinefunction(getattr(kind, hook)):
            raise _not_usable(f"{kind.__name__}.{hook} is not `async def`")


def _not_usable(message: str) -> PolicyNotLoadable:
    return PolicyNotLoadable([Fault(("use",), message)])


def _build(kind: type[Policy], config: dict[str, Any]) -> Policy:
    options, faults = convert_struct(_options_of(kind), config, ("config",))
    if options is None or faults:
        raise PolicyNotLoadable(faults)
    try:
        return kind(**msgspec.structs.asdict(options))
    except OptionError as error:
        raise PolicyNotLoadable([Fault(("config", *error.path), error.message)]) from error
    except Exception as error:
        raise PolicyNotLoadable([Fault(("config",), f"{kind.__name__}: {error}")]) from error


def _options_of(kind: type[Policy]) -> type[Struct]:
    """The constructor's keyword arguments as a struct, so that options are checked as all other settings are."""
    if kind.__init__ is object.__init__:
        return msgspec.defstruct("Options", [])
    try:
        types = get_type_hints(kind.__init__, include_extras=True)
    except NameError as error:
        raise _not_usable(f"the annotations of {kind.__name__}.__init__ cannot be read: {error}") from error
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise _not_usable(f"{kind.__name__}.__init__ must name its options: {parameter} cannot be checked")
        annotation = types.get(parameter.name, Any)
        if parameter.default is parameter.empty:
            fields.append((parameter.name, annotation))
        else:
            fields.append((parameter.name, annotation, msgspec.field(default_factory=_always(parameter.default))))
    return msgspec.defstruct("Options", fields, kw_only=True)


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value

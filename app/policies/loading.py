"""From what an operator wrote (`use`, `config`) to a policy that runs; faults are found at start, option by option.

`use` names a policy that is built in (`redact`), a class in a module (`package.module:Class`) or one in a file
(`./guards/shell.py:NoShell`). A file is loaded under a name made of its folder's path, so it can neither pass for a
library nor be taken for a file of the same name elsewhere; its folder is its package, for relative imports.
"""

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.conversion import Fault, convert_struct, did_you_mean
from app.policies.base import HOOKS, Hook, OptionError, Policy, overridden
from app.policies.changed_files import forget_changed, remember
from app.settings import PolicySpec

BUILTIN = {
    "noop": "app.policies.builtin.noop:Noop",
    "redact": "app.policies.builtin.redact:Redact",
}


OnError = Literal["fail_closed", "fail_open"]


class PolicyNotLoadable(Exception):
    """`faults` is all that is wrong, with paths inside the policy's entry: `("use",)`, `("config", "patterns", 0)`."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


class LoadedPolicy(Struct, frozen=True):
    """A policy, with its name and the hooks that the pipeline calls."""

    policy: Policy
    name: str
    hooks: frozenset[Hook]
    on_error: OnError
    is_for_all: bool = True
    """Whether it is applied to all requests, or to those of keys that name it alone."""

    @property
    def streaming_hooks(self) -> frozenset[Hook]:
        return self.hooks - {"on_request", "on_response"}

    @property
    def looks_at_responses(self) -> bool:
        return "on_response" in self.hooks or bool(self.streaming_hooks)


def located(spec: PolicySpec, directory: Path) -> PolicySpec:
    """A spec whose `use`, if it names a file, has the absolute path; a relative one is taken from `directory`."""
    target, colon, class_name = spec.use.rpartition(":")
    if not _is_file(target):
        return spec
    return replace(spec, use=os.path.abspath(directory / target) + colon + class_name)


def load_policies(
    specs: Iterable[PolicySpec], before: Iterable[tuple[PolicySpec, LoadedPolicy]] = ()
) -> tuple[LoadedPolicy, ...]:
    """Make the policies of a chain, in order. Those of `before` go on that have the same entry and the same class, with
    what they remember. Raises PolicyNotLoadable."""
    unused = list(before)
    policies = []
    for spec in specs:
        kind = _find_class(spec.use, ())
        kept = next((one for one in unused if one[0] == spec and type(one[1].policy) is kind), None)
        if kept is None:
            policies.append(load_policy(spec))
        else:
            unused.remove(kept)
            policies.append(kept[1])
    return tuple(policies)


def load_policy(spec: PolicySpec, directories: Sequence[Path] = ()) -> LoadedPolicy:
    """Make the policy that `spec` describes. A module that Python does not find by itself is taken from one of
    `directories`, and nothing else of them. Raises PolicyNotLoadable."""
    policy = loaded(_build(_find_class(spec.use, directories), spec.config), spec.on_error)
    return replace(policy, name=spec.name or policy.name, is_for_all=spec.applies == "always")


def loaded(policy: Policy, on_error: OnError = "fail_closed") -> LoadedPolicy:
    """Wrap a policy object that was made by hand. Raises PolicyNotLoadable for a method that is no hook."""
    kind = type(policy)
    _check_hooks(kind)
    return LoadedPolicy(policy, kind.name or kind.__name__, overridden(policy), on_error)


def _find_class(use: str, directories: Sequence[Path]) -> type[Policy]:
    target, colon, class_name = BUILTIN.get(use, use).rpartition(":")
    if not colon:
        raise _not_usable(_without_class(use))
    module = _load_file(Path(target)) if _is_file(target) else _import_named(target, directories)
    kind = getattr(module, class_name, None)
    if kind is None:
        raise _not_usable(f"{target} has no {class_name}{did_you_mean(class_name, vars(module))}")
    if not (isinstance(kind, type) and issubclass(kind, Policy)):
        raise _not_usable(f"{class_name} is not a class derived from flowspan.Policy")
    return kind


def _without_class(use: str) -> str:
    if _is_file(use):
        return f"the class is missing: write {use}:Class"
    known = ", ".join(BUILTIN)
    return (
        f"unknown policy{did_you_mean(use, BUILTIN)}; built in are {known}, others are written package.module:Class or "
        "./file.py:Class"
    )


def _is_file(target: str) -> bool:
    return target.endswith(".py") or "/" in target


def _load_file(path: Path) -> ModuleType:
    path = Path(os.path.abspath(path))
    if not path.is_file():
        beside = [each.name for each in path.parent.glob("*.py")]
        raise _not_usable(f"there is no file {path}{did_you_mean(path.name, beside)}")
    if path.suffix != ".py":
        raise _not_usable(f"{path} is no Python file: its name does not end in .py")
    try:
        return _execute_file(path)
    # An operator's module may fail in any way while it is imported; all of them mean the same here.
    except Exception as error:
        raise _not_usable(f"cannot import {path}: {_cause(error, path)}{_hint_of_file(error, path)}") from error


def _execute_file(path: Path) -> ModuleType:
    package = f"flowspan_policies_{_digest(path.parent)}"
    forget_changed(package)
    _execute_folder(package, path.parent)
    name = f"{package}.{path.stem if path.stem.isidentifier() else _digest(path)}"
    if name not in sys.modules:
        _execute(importlib.util.spec_from_file_location(name, path))
    remember(package)
    return sys.modules[name]


def _execute_folder(package: str, folder: Path) -> None:
    """Make a package of a folder with policies; its `__init__.py`, if it has one, is run once."""
    if package not in sys.modules:
        init = folder / "__init__.py"
        if init.is_file():
            spec = importlib.util.spec_from_file_location(package, init, submodule_search_locations=[str(folder)])
        else:
            spec = ModuleSpec(package, None, is_package=True)
            spec.submodule_search_locations = [str(folder)]
        _execute(spec)


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:8]


def _cause(error: Exception, path: Path) -> str:
    """The error of a failed import in words, with the line of the file that was imported."""
    if isinstance(error, SyntaxError):
        elsewhere = "" if error.filename in (None, str(path)) else f" of {error.filename}"
        return f"line {error.lineno}{elsewhere}: {error.msg}" if error.lineno else error.msg
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f"line {frame.lineno}: " for frame in reversed(frames) if frame.filename == str(path)), "")
    return f"{line}{type(error).__name__}: {error}"


def _hint_of_file(error: Exception, path: Path) -> str:
    name = _missing(error)
    if not name or _found_in([path.parent], name) is None:
        return ""
    return f"; there is a {name} beside it: write `from . import {name}`"


def _import_named(name: str, directories: Sequence[Path]) -> ModuleType:
    try:
        return _import(name, directories)
    except Exception as error:
        message = f"cannot import {name}: {type(error).__name__}: {error}{_hint(error, directories)}"
        raise _not_usable(message) from error


def _import(name: str, directories: Sequence[Path]) -> ModuleType:
    """Only the module or package that `name` begins with is looked for in `directories`: were they on Python's own
    path, any file there could pass for a library that somebody imports."""
    top = name.partition(".")[0]
    if top not in sys.modules and importlib.util.find_spec(top) is None:
        _execute(_found_in(directories, top))
    return importlib.import_module(name)


def _found_in(directories: Sequence[Path], name: str) -> ModuleSpec | None:
    return PathFinder.find_spec(name, [str(directory.absolute()) for directory in directories])


def _execute(spec: ModuleSpec | None) -> None:
    if spec is None:
        return
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    try:
        if spec.loader is not None:
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[spec.name]
        raise


def _hint(error: Exception, directories: Sequence[Path]) -> str:
    """Advice for a module that imports its neighbour by name; empty if that is not what failed."""
    name = _missing(error)
    if not name or _found_in(directories, name) is None:
        return ""
    return (
        f"; there is a {name} beside it, but only modules that the configuration names are taken from there: make one "
        "package of both, or name the directory in PYTHONPATH"
    )


def _missing(error: Exception) -> str:
    """The package that was not found; empty if the error is another one."""
    return (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""


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

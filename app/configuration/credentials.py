"""`credential_list`: keys and addresses under a name, which deployments use by `litellm_credential_name`.

A credential's values are resolved where a deployment uses it. What the deployment says itself wins, as with LiteLLM.
"""

from collections.abc import Mapping
from typing import Any

from app.configuration.entries import Credential
from app.configuration.environment import Environment
from app.configuration.litellm_keys import LiteLLMKeys
from app.configuration.problems import Report
from app.conversion import Path, did_you_mean

PARAMETER = "litellm_credential_name"
_ENTRY = Credential.__struct_fields__


class Credentials:
    """The credentials of a file, by name. Faults of the list are reported as it is read."""

    def __init__(self, section: object, report: Report, environment: Environment, keys: LiteLLMKeys) -> None:
        self._report = report
        self._environment = environment
        self._keys = keys
        self._found: dict[str, tuple[Mapping[str, Any], Path]] = {}
        if section is not None and not isinstance(section, list):
            report.problem(("credential_list",), "expected a list of credentials")
        for index, entry in enumerate(section if isinstance(section, list) else []):
            self._read(entry, ("credential_list", index))

    def values(self, name: object, path: Path) -> Mapping[str, Any]:
        """The resolved values of a credential; empty, and reported at `path`, where there is none of this name."""
        if not isinstance(name, str) or name not in self._found:
            hint = did_you_mean(str(name), self._found) if isinstance(name, str) else ""
            self._report.problem(path, f"credential_list has no credential of this name{hint}")
            return {}
        values, where = self._found[name]
        resolved = self._environment.resolve(values, where)
        return resolved if isinstance(resolved, dict) else {}

    def _read(self, entry: object, path: Path) -> None:
        if not isinstance(entry, dict):
            self._report.problem(path, "expected a mapping with credential_name and credential_values")
            return
        for key, value in entry.items():
            if key not in _ENTRY:
                self._keys.unknown((*path, key), value, _ENTRY)
        name, values = entry.get("credential_name"), entry.get("credential_values")
        if not isinstance(name, str) or not name:
            self._report.problem((*path, "credential_name"), "missing, or not text")
        elif not isinstance(values, dict):
            self._report.problem((*path, "credential_values"), "missing, or not a mapping")
        elif name in self._found:
            self._report.problem((*path, "credential_name"), "another credential has this name")
        else:
            self._found[name] = (values, (*path, "credential_values"))

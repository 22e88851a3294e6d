"""`model_list`: LiteLLM's entries in, deployments out.

Environment references are resolved, prices and routing taken out of the parameters; what is left is the provider's.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Any, Literal

from msgspec.structs import replace

from app.configuration.environment import Environment
from app.configuration.litellm_names import ENTRY, PARAMS, PROVIDER_PARAMS, unsupported
from app.configuration.problems import Report
from app.configuration.providers import provider_of
from app.conversion import Path, convert_value, did_you_mean
from app.settings import Cost, Deployment, ResponsesApi, Seconds

Backend = Literal["openai", "anthropic", "litellm", "simulated"]

_ENTRY = ("model_name", "litellm_params", "model_info", "backend")
_COSTS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_creation",
}
_ROUTING: dict[str, Any] = {"weight": float, "order": int, "timeout": Seconds}
_NEED_A_KEY = frozenset({"openai", "anthropic"})
_AZURE_VARIABLES = {"api_base": "AZURE_API_BASE", "api_version": "AZURE_API_VERSION"}


def read_models(
    section: object, defaults: dict[str, Any], report: Report, environment: Environment
) -> list[Deployment]:
    """`defaults` are parameters for every deployment that does not set them itself."""
    if not isinstance(section, list) or not section:
        report.problem(("model_list",), "expected a list of at least one model")
        return []
    reader = _ModelReader(defaults, report, environment)
    found = [reader.read(entry, ("model_list", index)) for index, entry in enumerate(section)]
    return _with_ids([deployment for deployment in found if deployment is not None], reader.paths, report)


class _ModelReader:
    def __init__(self, defaults: dict[str, Any], report: Report, environment: Environment) -> None:
        self._defaults = defaults
        self._report = report
        self._environment = environment
        self.paths: list[Path] = []

    def read(self, entry: object, path: Path) -> Deployment | None:
        if not isinstance(entry, dict):
            self._report.problem(path, "expected a mapping with model_name and litellm_params")
            return None
        self._check_entry_keys(entry, path)
        params_path = (*path, "litellm_params")
        params = self._environment.resolve(entry.get("litellm_params"), params_path)
        if not isinstance(params, dict):
            self._report.problem(params_path, "missing, or not a mapping")
            return None
        name = self._text(entry, "model_name", path)
        model = self._text(params, "model", params_path)
        if name is None or model is None:
            return None
        self.paths.append(path)
        return self._deployment(name, model, entry, params, path)

    def _deployment(
        self, name: str, model: str, entry: dict[str, Any], params: dict[str, Any], path: Path
    ) -> Deployment:
        params_path = (*path, "litellm_params")
        info = self._info(entry, path)
        simulated = model.startswith("simulated/")
        if "*" in name:
            self._report.warning((*path, "model_name"), "a wildcard is LiteLLM's, not supported here: taken literally")
        kept = self._provider_params(model, params, params_path, simulated)
        backend, responses = _backend(model, kept, entry, info)
        self._check_apis(kept, info, responses, path)
        deployment = Deployment(
            id=str(info.get("id") or ""),
            model_name=name,
            model=model,
            provider=self._provider(model, params, params_path),
            backend=backend,
            responses=responses,
            params=kept,
            cost=self._cost(params, info, path),
            **self._routing(params, params_path),
        )
        self._check_servable(deployment, params_path)
        return deployment

    def _check_entry_keys(self, entry: dict[str, Any], path: Path) -> None:
        for key in entry:
            if key in ENTRY:
                self._report.warning((*path, key), unsupported(key))
            elif key not in _ENTRY:
                self._report.problem((*path, key), f"unknown key{did_you_mean(key, _ENTRY)}")
        if entry.get("backend") not in (None, "litellm"):
            self._report.problem((*path, "backend"), "expected litellm, or nothing: the model's prefix decides")

    def _text(self, block: dict[str, Any], key: str, path: Path) -> str | None:
        value = block.get(key)
        if isinstance(value, str) and value:
            return value
        self._report.problem((*path, key), "missing, or not text")
        return None

    def _info(self, entry: dict[str, Any], path: Path) -> dict[str, Any]:
        info = entry.get("model_info")
        if info is not None and not isinstance(info, dict):
            self._report.problem((*path, "model_info"), "expected a mapping")
        if not isinstance(info, dict):
            return {}
        if info.get("mode") not in (None, "chat", "completion", "embedding", "responses"):
            self._report.warning(
                (*path, "model_info", "mode"), "only chat, completion, embedding and responses are served here"
            )
        endpoints = info.get("supported_endpoints")
        if endpoints is not None and not (
            isinstance(endpoints, list) and all(isinstance(one, str) for one in endpoints)
        ):
            self._report.problem((*path, "model_info", "supported_endpoints"), "expected a list of paths")
        return info

    def _check_apis(self, params: dict[str, Any], info: dict[str, Any], responses: ResponsesApi, path: Path) -> None:
        """What the entry says of its APIs excludes itself, or can change nothing."""
        if responses == "only" and params.get("use_chat_completions_api"):
            message = "the model is said to have no chat completions"
            self._report.problem((*path, "litellm_params", "use_chat_completions_api"), message)
        if responses != "only" and info.get("mode") == "responses":
            message = "only OpenAI-compatible providers are asked by this API; it changes nothing"
            self._report.warning((*path, "model_info", "mode"), message)

    def _provider(self, model: str, params: dict[str, Any], path: Path) -> str:
        custom = params.get("custom_llm_provider")
        provider = provider_of(model, custom if isinstance(custom, str) else None)
        if provider is None:
            self._report.warning(
                (*path, "model"), "no provider prefix such as openai/ ; LiteLLM may not know the model"
            )
        return provider or "unknown"

    def _provider_params(self, model: str, params: dict[str, Any], path: Path, simulated: bool) -> dict[str, Any]:
        kept: dict[str, Any] = {} if simulated else dict(self._defaults)
        for key, value in params.items():
            if key in PARAMS or (key not in _COSTS and "_cost" in key):
                self._report.warning((*path, key), unsupported(key))
            elif key not in _COSTS and key not in _ROUTING and key != "model":
                kept[key] = value
                if not simulated and (hint := _slip(key)):
                    self._report.warning((*path, key), f"handed to the provider as it is{hint}")
        return kept if simulated else self._with_environment(model, kept, path)

    def _with_environment(self, model: str, kept: dict[str, Any], path: Path) -> dict[str, Any]:
        from app.backends.direct.providers import key_variable

        # A key from the environment goes to the provider's own address only.
        if kept.keys() & {"api_key", "api_base", "base_url"}:
            return kept
        if model.startswith("azure/"):
            found = {name: self._environment.get(variable) for name, variable in _AZURE_VARIABLES.items()}
            kept = {**{name: value for name, value in found.items() if value}, **kept}
        variable = key_variable(model, kept)
        if variable and (key := self._environment.get(variable)):
            return {**kept, "api_key": key}
        if variable and model.partition("/")[0] in _NEED_A_KEY:
            self._report.warning(path, f"no api_key, and {variable} is not set")
        return kept

    def _routing(self, params: dict[str, Any], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, kind in _ROUTING.items():
            if params.get(key) is None:
                continue
            value, faults = convert_value(kind, params[key], (*path, key))
            self._report.faults(faults)
            if not faults and value < 0:
                self._report.problem((*path, key), "must not be negative")
            elif not faults:
                found[key] = value
        return found

    def _cost(self, params: dict[str, Any], info: dict[str, Any], path: Path) -> Cost | None:
        found: dict[str, float] = {}
        for block, where in ((info, "model_info"), (params, "litellm_params")):
            for key, name in _COSTS.items():
                if block.get(key) is None:
                    continue
                value, faults = convert_value(float, block[key], (*path, where, key))
                self._report.faults(faults)
                if not faults and not 0 <= value < float("inf"):
                    self._report.problem((*path, where, key), "must not be negative or infinite")
                elif not faults:
                    found[name] = value
        return Cost(**found) if found else None

    def _check_servable(self, deployment: Deployment, path: Path) -> None:
        # Here, and not above: the backends are much to import for a file that does not get as far as a model.
        from app.backends import validate

        try:
            validate(deployment)
        except ValueError as error:
            self._report.problem((*path, "model"), str(error))


def _backend(
    model: str, params: dict[str, Any], entry: dict[str, Any], info: dict[str, Any]
) -> tuple[Backend, ResponsesApi]:
    from app.backends.direct.providers import route_of

    if entry.get("backend") == "litellm":
        return "litellm", "none"
    if model.startswith("simulated/"):
        return "simulated", "none"
    route = route_of(model, params, info)
    return ("litellm", "none") if route is None else (route.backend, route.responses)


@lru_cache(maxsize=1024)
def _slip(key: str) -> str:
    return "" if key in PROVIDER_PARAMS else did_you_mean(key, PROVIDER_PARAMS)


def _with_ids(deployments: list[Deployment], paths: list[Path], report: Report) -> list[Deployment]:
    """Ids as configured; else the model's name, numbered where it has several deployments."""
    taken: set[str] = set()
    for deployment, path in zip(deployments, paths, strict=True):
        if deployment.id and deployment.id in taken:
            report.problem((*path, "model_info", "id"), "another deployment has this id")
        taken.add(deployment.id)
    sizes = Counter(deployment.model_name for deployment in deployments)
    numbers: defaultdict[str, Iterator[int]] = defaultdict(lambda: count(1))
    named = []
    for deployment in deployments:
        if not deployment.id:
            name = deployment.model_name
            candidates = (f"{name}#{number}" for number in numbers[name])
            alone = sizes[name] == 1 and name not in taken
            deployment = replace(deployment, id=name if alone else next(id for id in candidates if id not in taken))
            taken.add(deployment.id)
        named.append(deployment)
    return named

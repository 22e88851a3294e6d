"""`model_list`: LiteLLM's entries in, deployments out.

Environment references are resolved, and prices and routing taken out of the parameters; what is left goes to the
provider. A deployment without a price has its provider's list price, where the settings want that. Whether it is asked
directly, and by which of OpenAI's APIs, is decided here, once for each deployment.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import count
from pathlib import Path as FilePath
from typing import Any

from msgspec.structs import fields, replace

from app.addresses import base_of
from app.backends import validate
from app.backends.choice import choose_backend
from app.backends.model_names import is_wildcard
from app.backends.replay import BUNDLE, file_of
from app.backends.replay import PREFIX as REPLAY
from app.configuration.client_credentials import check_handed_on, credentials_of
from app.configuration.credentials import PARAMETER, Credentials
from app.configuration.deployment_limits import LIMIT_PARAMS, read_limits
from app.configuration.document import plain
from app.configuration.entries import MODES, Entry, Info, Routing
from app.configuration.environment import Environment
from app.configuration.litellm_keys import LiteLLMKeys
from app.configuration.litellm_names import ENTRY, PARAMS, PROVIDER_PARAMS
from app.configuration.litellm_providers import is_known, provider_of, unknown, without_prefix
from app.configuration.prices import price_of
from app.configuration.problems import Report
from app.configuration.routing import first_token_timeout
from app.configuration.upstream import UPSTREAM_PARAMS, UpstreamReader
from app.configuration.wildcards import check_wildcards, each_provider
from app.conversion import Path, convert_value, did_you_mean
from app.prices import is_price
from app.providers import BackendName, ResponsesApi, find, row_of
from app.settings import Deployment, PriceSource

_ENTRY = Entry.__struct_fields__
_INFO = {field.name: field.type for field in fields(Info)}
_ROUTING = {field.name: field.type for field in fields(Routing)}
_TAKEN = _ROUTING.keys() | LIMIT_PARAMS | UPSTREAM_PARAMS | {"model"}
"""Parameters that are read here, and are not the provider's."""
_SIMULATED = "simulated/"
_NUMBERS = frozenset(
    {"temperature", "top_p", "top_k", "n", "seed", "max_tokens", "max_completion_tokens", "top_logprobs"}
    | {"frequency_penalty", "presence_penalty"}
)


def read_models(
    section: object,
    defaults: dict[str, Any],
    report: Report,
    environment: Environment,
    keys: LiteLLMKeys,
    credentials: Credentials,
    upstream: UpstreamReader,
    prices: PriceSource = "catalogue",
) -> list[Deployment]:
    """Read all entries. `defaults` are parameters of every deployment that does not set them itself, `prices` says
    where those without prices have them from, `upstream` how each is reached."""
    if not isinstance(section, list):
        report.problem(("model_list",), "expected a list of models; `model_list: []` starts without any")
        return []
    if not section:
        report.warning(("model_list",), "no models: every request for one will be answered with 404")
    reader = _ModelReader(defaults, report, environment, keys, credentials, upstream, prices)
    entries = [
        (("model_list", index), one)
        for index, entry in enumerate(section)
        for one in each_provider(entry, ("model_list", index), section, report, environment)
    ]
    found = [reader.read(entry, path) for path, entry in entries]
    return _with_ids([deployment for deployment in found if deployment is not None], reader.paths, report)


class _ModelReader:
    def __init__(
        self,
        defaults: dict[str, Any],
        report: Report,
        environment: Environment,
        keys: LiteLLMKeys,
        credentials: Credentials,
        upstream: UpstreamReader,
        prices: PriceSource,
    ) -> None:
        self._upstream = upstream
        self._prices = prices
        self._defaults = defaults
        self._report = report
        self._environment = environment
        self._keys = keys
        self._credentials = credentials
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
        params = self._with_credential(params, params_path)
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
        simulated = model.startswith(_SIMULATED)
        check_wildcards(name, model, path, self._report)
        credentials, params = credentials_of(entry, params, path, self._report)
        kept = self._provider_params(model, params, params_path, simulated or credentials == "client")
        if model.startswith(REPLAY):
            kept = self._with_bundle(model, kept)
        backend, responses = _backend_and_api(model, kept, entry, info)
        self._check_apis(kept, info, responses, path)
        found = find(model, kept)
        base = base_of(kept) or (found.provider.base_url if found else None)
        upstream = self._upstream.read(params, params_path, backend, base)
        routing = self._routing(params, params_path)
        cost, cost_source = price_of(model, params, info, path, self._report, self._prices)
        deployment = Deployment(
            id=str(info.get("id") or ""),
            model_name=name,
            model=model,
            provider=self._provider(model, params, params_path),
            backend=backend,
            responses=responses,
            params={**kept, **upstream.params},
            proxy=upstream.proxy,
            tls=upstream.tls,
            credentials=credentials,
            info=info if is_wildcard(name) else {},
            cost=cost,
            cost_source=cost_source,
            first_token_timeout=first_token_timeout(entry, routing.pop("stream_timeout", None), path, self._report),
            **routing,
            **read_limits(entry, params, info, path, self._report)._asdict(),
        )
        self._check_servable(deployment, params_path)
        check_handed_on(deployment, path, self._report)
        return deployment

    def _check_entry_keys(self, entry: dict[str, Any], path: Path) -> None:
        for key, value in entry.items():
            if key in ENTRY:
                self._keys.unsupported((*path, key), value)
            elif key not in _ENTRY:
                self._keys.unknown((*path, key), value, (*_ENTRY, *ENTRY))
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
        if info.get("mode") is not None and info["mode"] not in MODES:
            served = f"{', '.join(MODES[:-1])} and {MODES[-1]}"
            self._report.warning((*path, "model_info", "mode"), f"only {served} are served here")
        if info.get("supported_environments"):
            message = "LiteLLM serves it only where LITELLM_ENVIRONMENT is one of these; here it is always served"
            self._report.warning((*path, "model_info", "supported_environments"), message)
        _, faults = convert_value(_INFO["supported_endpoints"], info.get("supported_endpoints"))
        if faults:
            self._report.problem((*path, "model_info", "supported_endpoints"), "expected a list of paths")
        return info

    def _check_apis(self, params: dict[str, Any], info: dict[str, Any], responses: ResponsesApi, path: Path) -> None:
        """Report what an entry says of its APIs that contradicts itself, or changes nothing."""
        if responses == "only" and params.get("use_chat_completions_api"):
            message = "the model is said to have no chat completions"
            self._report.problem((*path, "litellm_params", "use_chat_completions_api"), message)
        if responses != "only" and info.get("mode") == "responses":
            message = "only OpenAI-compatible providers are asked by this API; it changes nothing"
            self._report.warning((*path, "model_info", "mode"), message)

    def _provider(self, model: str, params: dict[str, Any], path: Path) -> str:
        """The provider's name in telemetry. One that nobody knows is reported."""
        found = find(model, params)
        if found is None:
            if (known := provider_of(model)) is not None:
                return row_of(known).name
            if "*" not in model:
                self._report.problem((*path, "model"), without_prefix(model))
            return "unknown"
        prefix = found.provider.prefix
        if not is_known(prefix) and provider_of(model) is None:
            at = "custom_llm_provider" if params.get("custom_llm_provider") else "model"
            self._report.problem((*path, at), unknown(prefix))
        return found.provider.name

    def _with_credential(self, params: dict[str, Any], path: Path) -> dict[str, Any]:
        if PARAMETER not in params:
            return params
        set_here = {key: value for key, value in params.items() if key != PARAMETER}
        name = params[PARAMETER]
        return set_here if name is None else {**self._credentials.values(name, (*path, PARAMETER)), **set_here}

    def _provider_params(self, model: str, params: dict[str, Any], path: Path, simulated: bool) -> dict[str, Any]:
        kept: dict[str, Any] = {} if simulated else dict(self._defaults)
        for key, value in params.items():
            priced = is_price(key)
            if key in PARAMS or (not priced and "_cost" in key):
                self._keys.unsupported((*path, key), value)
            elif not priced and key not in _TAKEN:
                kept[key] = _number(key, value)
                if not simulated and (hint := _slip(key)):
                    self._report.warning((*path, key), f"handed to the provider as it is{hint}")
        return kept if simulated else self._with_environment(model, kept, path)

    def _with_environment(self, model: str, kept: dict[str, Any], path: Path) -> dict[str, Any]:
        # A key from the environment goes to the provider's own address only.
        if kept.keys() & {"api_key", "api_base", "base_url"}:
            return kept
        named = row_of(model.partition("/")[0])
        given = {name: self._environment.get(variable, path) for name, variable in named.variables.items()}
        kept = {**{name: value for name, value in given.items() if value}, **kept}
        found = find(model, kept)
        variable = found.provider.key_variable if found else None
        if variable and (key := self._environment.get(variable, path)):
            return {**kept, "api_key": key}
        if variable and named.needs_key:
            self._report.warning(path, f"no api_key, and {variable} is not set")
        return kept

    def _with_bundle(self, model: str, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters with the file of a bundle, whose path is from the configuration's folder."""
        with suppress(ValueError):
            return {**params, BUNDLE: str(FilePath(self._report.file).parent / file_of(model))}
        return params

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

    def _check_servable(self, deployment: Deployment, path: Path) -> None:
        if self._report.lacks(path) or (is_wildcard(deployment.model) and deployment.backend == "simulated"):
            return
        try:
            validate(deployment)
        except ValueError as error:
            self._report.problem((*path, "model"), str(error))


def _backend_and_api(
    model: str, params: Mapping[str, Any], entry: Mapping[str, Any], info: Mapping[str, Any]
) -> tuple[BackendName, ResponsesApi]:
    if entry.get("backend") == "litellm":
        return "litellm", "none"
    if model.startswith(_SIMULATED):
        return "simulated", "none"
    return choose_backend(model, params, info)


def _number(key: str, value: Any) -> Any:
    """The number that a text of one of the usual numeric parameters stands for: variables hold texts alone."""
    if key not in _NUMBERS or not isinstance(value, str):
        return value
    number = plain(value.strip())
    return number if isinstance(number, int | float) and not isinstance(number, bool) else value


@lru_cache(maxsize=1024)
def _slip(key: str) -> str:
    return "" if key in PROVIDER_PARAMS else did_you_mean(key, PROVIDER_PARAMS)


def _with_ids(deployments: list[Deployment], paths: list[Path], report: Report) -> list[Deployment]:
    """Give each deployment without an id its model's name, numbered where the model has several deployments."""
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

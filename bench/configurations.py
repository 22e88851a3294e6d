"""How each row's gateway is configured: the same models for all, and the command that starts it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Peers
from bench.rows import Row

MODELS = ("bench-20", "bench-50-20", "bench-250-20", "bench-200", "bench-hold")
_ANTHROPIC = "claude-"

_PRICE = ", input_cost_per_token: 0.000001, output_cost_per_token: 0.000002"


@dataclass(frozen=True)
class Provider:
    """The ports of the mock provider, and the file of the certificate that it shows at the second."""

    port: int
    tls_port: int
    certificate: Path

    def url(self, *, is_encrypted: bool) -> str:
        return f"https://127.0.0.1:{self.tls_port}" if is_encrypted else f"http://127.0.0.1:{self.port}"


def command(
    row: Row, port: int, provider: Provider, file: Path, models: Sequence[str], keys: int, peers: Peers
) -> list[str]:
    """The command that starts the row's gateway on `port` before the provider.

    Its configuration is written to `file`, with another suffix where its gateway wants one.
    """
    url = provider.url(is_encrypted=row.is_encrypted)
    match row.kind:
        case "relay":
            return [sys.executable, "-m", "bench.relay", str(port), str(provider.port)]
        case "floor":
            trusted = ["--trusted", str(provider.certificate)] if row.is_encrypted else []
            return [sys.executable, "-m", "bench.floor", str(port), url, *trusted]
        case "reencode":
            return [sys.executable, "-m", "bench.floor", str(port), url, "--reencode"]
        case "flowspan" | "earlier":
            configuration = _configuration(row, url, models, keys, provider.certificate)
            file.write_text(configuration.replace("{folder}", str(file.parent)))
            program = str(peers.earlier / "bin" / "flowspan") if peers.earlier and row.kind == "earlier" else "flowspan"
            return [program, "serve", "--config", str(file), "--port", str(port), "--metrics-port", "0"]
        case "litellm":
            file.write_text(_model_list(url, models, with_litellm=False))
            options = ["--num_workers", str(row.workers or 1), "--telemetry", "False"]
            if row.workers:
                # Its import takes longer than the 5 s after which uvicorn takes a worker for dead.
                options += ["--timeout_worker_healthcheck", "120"]
            return [peers.program("litellm"), "--config", str(file), "--port", str(port), *options]
        case "tensorzero":
            file.with_suffix(".toml").write_text(_tensorzero_configuration(url, models))
            files = [str(file.with_suffix(suffix)) for suffix in (".toml", ".port")]
            return [peers.program("python"), "-m", "bench.tensorzero", *files]
        case other:
            raise ValueError(other)


def _configuration(row: Row, url: str, models: Sequence[str], keys: int, trusted: Path) -> str:
    with_litellm = row.prefix == "litellm-"
    keyed = ", ".join(f"key-of-a-caller-{number:06}" for number in range(keys))
    parts = (
        row.settings,
        f"keys: [bench, {keyed}]" if keys else "",
        f"server: {{workers: {row.workers}}}" if row.workers else "",
        f"upstream: {{ssl_verify: '{trusted}'}}" if row.is_encrypted else "",
    )
    settings = "\n".join(f"  {line}" for part in parts for line in part.splitlines())
    model_list = _model_list(url, models, with_litellm, _PRICE if row.is_priced else "")
    return model_list + (f"gateway:\n{settings}\n" if settings else "")


def _model_list(url: str, models: Sequence[str], with_litellm: bool, price: str = "") -> str:
    """Each model at the mock of OpenAI's API, those that are named after Anthropic's at the mock of that."""
    lines = ["model_list:"]
    for name in dict.fromkeys([*models, *(f"{_ANTHROPIC}{model}" for model in MODELS)]):
        model = name.removeprefix(_ANTHROPIC)
        at = f'openai/{model}, api_base: "{url}/v1"' if model == name else f'anthropic/{model}, api_base: "{url}"'
        lines += [f"  - model_name: {name}", f"    litellm_params: {{model: {at}, api_key: none{price}}}"]
    for model in MODELS if with_litellm else ():
        lines += [
            f"  - model_name: litellm-{model}",
            f'    litellm_params: {{model: openai/{model}, api_base: "{url}/v1", api_key: none}}',
            "    backend: litellm",
        ]
    return "\n".join(lines) + "\n"


def _tensorzero_configuration(url: str, models: Sequence[str]) -> str:
    parts = ["[gateway]\nobservability.enabled = false\n"]
    parts += [
        f'[models."{model}"]\nrouting = ["mock"]\n[models."{model}".providers.mock]\ntype = "openai"\n'
        f'model_name = "{model}"\napi_base = "{url}/v1/"\napi_key_location = "none"\n'
        for model in models
    ]
    return "\n".join(parts)

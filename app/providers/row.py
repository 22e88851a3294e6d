"""What a row of the table of providers holds: data alone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from app.messages import Operation
from app.providers.quirks import Quirks

BackendName = Literal["openai", "anthropic", "litellm", "simulated"]
"""How a deployment is asked: directly, by OpenAI's or Anthropic's API; through LiteLLM; or not at all (`simulated`)."""
DIRECT = frozenset(get_args(BackendName)) - {"litellm", "simulated"}
"""The APIs that the gateway speaks itself: it has a codec for each."""
ResponsesApi = Literal["none", "offered", "only", "unknown"]
"""Whether a provider has OpenAI's Responses API; `only`: and no chat completions; `unknown`: its first answer tells."""

RESPONSES_PREFIX = "responses/"
"""A prefix of a model's name, in LiteLLM's files, by which the Responses API is to be used for it and no other."""
ALL: frozenset[Operation] = frozenset({"chat", "text_completion", "embeddings"})
CHAT: frozenset[Operation] = frozenset({"chat"})
OPERATIONS: Mapping[BackendName, frozenset[Operation]] = {
    "openai": ALL,
    "anthropic": CHAT,
    "litellm": ALL,
    "simulated": ALL,
}
"""What each backend can be asked for. LiteLLM sends a prompt as a conversation where a provider has no completions."""


@dataclass(frozen=True)
class FirstPartyModels:
    """What parts of a model's name mean at the default address. Other servers of the same API have other models."""

    responses: ResponsesApi
    responses_only: tuple[str, ...]
    """Models that are not served by chat completions."""
    completions_only: tuple[str, ...]
    """Models that are served by legacy completions alone: they are asked through LiteLLM."""


@dataclass(frozen=True)
class ApiVersions:
    """Azure's dated versions of OpenAI's API."""

    default: str
    """The version of a deployment without an `api_version` of its own."""
    stream_options: str
    """The date since which the API takes `stream_options`."""
    responses: str
    """The date since which there is a Responses API."""
    max_completion_tokens: str
    """The date since which the API takes `max_completion_tokens`."""
    developer: str
    """The date since which the API takes the role `developer`."""


@dataclass(frozen=True)
class Provider:
    """One row of the table."""

    prefix: str
    backend: BackendName
    base_url: str | None = None
    """The address of a deployment without an `api_base`. Where there is neither, LiteLLM is asked."""
    key_variable: str | None = None
    """The environment variable with the key of a deployment that has neither `api_key` nor `api_base`."""
    otel_name: str | None = None
    """`gen_ai.provider.name` of OpenTelemetry's conventions, where that is not the prefix."""
    bare_models: tuple[str, ...] = ()
    """The beginnings of names of models that mean this provider without a prefix."""
    responses: ResponsesApi = "none"
    """Whether it has the Responses API, by its documentation; `unknown` where there may be any server."""
    quirks: Quirks = field(default_factory=Quirks)
    model_quirks: tuple[tuple[tuple[str, ...], Quirks], ...] = ()
    """Patterns of models' names, and quirks of those models beside the provider's. `*` stands for any characters; what
    stands before a slash in a name may be left out."""
    quirks_elsewhere: Quirks | None = None
    """The quirks of servers at other addresses than the provider's own, where the prefix stands for an API that many
    have. At the address of another row, the quirks of that row count."""
    hosts: tuple[str, ...] = ()
    """Its further hosts, those below them included, beside that of `base_url`. A deployment with the prefix of an API
    that many have (`openai/`) and an address there is known to be this provider's."""
    compatible: Quirks | None = None
    """The quirks of an API like OpenAI's that it has beside the one by which LiteLLM asks it."""
    operations: frozenset[Operation] = ALL
    """What the provider has, asked by whatever backend."""
    needs_key: bool = False
    """Whether a deployment for which no key is found is warned of."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Parameters that a deployment without them takes from the environment, and the names of the variables."""
    model_families: tuple[str, ...] = ()
    """Words that LiteLLM allows between the prefix and the model."""
    litellm_params: frozenset[str] = frozenset()
    """Parameters of a deployment that only LiteLLM can put in this provider's form."""
    first_party: FirstPartyModels | None = None
    api_versions: ApiVersions | None = None
    sells_claude: bool = False
    """It serves Anthropic's models, too, and LiteLLM asks for these in Anthropic's form."""

    @property
    def name(self) -> str:
        """The provider's name in telemetry."""
        return self.otel_name or self.prefix

"""What an entry of `model_list` may say, beside what goes to the provider as it is."""

from typing import Annotated, Any, Literal, get_args

from msgspec import Meta, Struct

from app.settings import Count, Seconds

Mode = Literal["chat", "completion", "embedding", "responses"]
MODES: tuple[str, ...] = get_args(Mode)
Price = Annotated[float, Meta(ge=0)]


class Entry(Struct, frozen=True):
    """One deployment of a model. Entries with the same `model_name` are deployments of one model."""

    model_name: str
    """What clients ask for; `*` in it stands for any text (`anthropic/*`, `claude-*`)."""
    litellm_params: dict[str, Any]
    """Who is asked, and how. What is not listed below goes to the provider: `api_key`, `api_base`, `temperature`."""
    model_info: dict[str, Any] = {}
    """What is known of the model."""
    backend: Literal["litellm"] | None = None
    """`litellm` asks through LiteLLM where the gateway would ask directly."""
    credentials: Literal["gateway", "client"] = "gateway"
    """`client` gives the provider the credential that the caller sent (`authorization` or `x-api-key`), and needs one
    that is asked directly, without a key here. It may stand in `litellm_params` as well. Where the gateway has keys,
    its key comes in the other of the two headers."""
    first_token_timeout: Seconds | None = None
    """The wait for the first piece of a streamed answer, from the request on; past it the next deployment is asked. No
    limit but `timeout` unless it is set."""

    max_parallel: Count | None = None
    """Attempts that may be under way at the deployment at a time; further requests wait (`gateway.admission`)."""
    requests_per_minute: Count | None = None
    """Attempts within any minute; further requests wait."""
    tokens_per_minute: Count | None = None
    """Tokens of prompts and answers within any minute, by an estimate until they are counted; further requests wait."""
    rpm: Count | None = None
    """LiteLLM's name for `requests_per_minute`, here, in `litellm_params` or in `model_info`."""
    tpm: Count | None = None
    """LiteLLM's name for `tokens_per_minute`, in the same places."""


class Routing(Struct, frozen=True):
    """How requests are shared out among the deployments of a model, in `litellm_params`."""

    weight: float = 1.0
    """Its share of the requests among the deployments of the same `order`."""
    order: int = 1
    """Lower orders are tried first; higher ones only when no lower one is left."""
    timeout: Seconds | None = None
    """As `litellm_settings.request_timeout`, for this deployment."""
    stream_timeout: Seconds | None = None
    """As `first_token_timeout`, where that is not set."""


class LimitParams(Struct, frozen=True):
    """LiteLLM's names for how many attempts a deployment may have, in `litellm_params`; the entry's own come first."""

    max_parallel_requests: Count | None = None
    """As `max_parallel`."""
    rpm: Count | None = None
    """As `requests_per_minute`."""
    tpm: Count | None = None
    """As `tokens_per_minute`."""


class Params(Struct, frozen=True):
    """Who is asked, in `litellm_params`."""

    model: str
    """The provider's name of the model, with the provider before it: `openai/MODEL`. A `*` stands for what it stood
    for in `model_name`."""
    litellm_credential_name: str | None = None
    """The credential of `credential_list` that gives keys and addresses which are not set here."""


class Info(Struct, frozen=True):
    """What is known of a model, in `model_info`."""

    id: str | None = None
    """The deployment's name in telemetry; the model's name, numbered, unless it is set."""
    mode: Mode = "chat"
    """`responses`: it is asked by the Responses API alone. Others are a warning."""
    base_model: str | None = None
    """The model behind a name of one's own, as in Azure, with its provider before it: what it costs is looked up."""
    supported_endpoints: list[str] | None = None
    """The paths that its server has: `/v1/chat/completions`, `/v1/responses`."""
    rpm: Count | None = None
    """As the entry's `requests_per_minute`."""
    tpm: Count | None = None
    """As the entry's `tokens_per_minute`."""


class Prices(Struct, frozen=True):
    """US dollars per token, in `litellm_params` or `model_info`. With a price for the request or the answer they take
    the place of the catalogue's, all of them. A price may be one for long prompts or a tier of service, by LiteLLM's
    names: `input_cost_per_token_above_200k_tokens`, `output_cost_per_token_flex`."""

    input_cost_per_token: Price = 0.0
    """The price of the request."""
    output_cost_per_token: Price = 0.0
    """The price of the answer."""
    cache_read_input_token_cost: Price | None = None
    """The price of what the provider had of the request in its cache; that of the request unless it is set."""
    cache_creation_input_token_cost: Price | None = None
    """The price of what the provider put into its cache; that of the request unless it is set."""
    cache_creation_input_token_cost_above_1hr: Price | None = None
    """The price of what is to stay in the cache for an hour; that of any other write unless it is set."""
    output_cost_per_reasoning_token: Price | None = None
    """The price of reasoning; that of the answer unless it is set."""
    input_cost_per_audio_token: Price | None = None
    """The price of audio in the request; that of the request unless it is set."""
    output_cost_per_audio_token: Price | None = None
    """The price of audio in the answer; that of the answer unless it is set."""
    input_cost_per_request: Price | None = None
    """US dollars for each request, whatever its size."""


class Credential(Struct, frozen=True):
    """One entry of `credential_list`: LiteLLM's named credentials."""

    credential_name: str
    """By which deployments use it, as `litellm_credential_name`."""
    credential_values: dict[str, Any]
    """Parameters such as `api_key` and `api_base`; those that the deployment sets itself win."""
    credential_info: dict[str, Any] = {}
    """A description; it changes nothing."""

"""Which deployments may be asked for a request, and in what turn: those of its model, then those of its fallbacks."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from app.backends.choice import of_model
from app.backends.client_credentials import addressed, permitted
from app.backends.deployments import able, by_model
from app.backends.model_names import ModelNames, anything
from app.backends.stored_responses import StoredResponses
from app.dialects.dialect import DIALECTS
from app.errors import ContentRefused, ContextOverflow, InvalidRequest, UnknownModel, UnknownResponse, UpstreamRejected
from app.messages import Request
from app.settings import Deployment, RouterSettings

Pool = Sequence[Deployment]
"""Deployments of one model, at least one."""
_KEPT = 4096
"""Names whose routes are kept; with wildcards they are callers' choice."""


class Route(Struct, frozen=True):
    """Where the name of a model leads."""

    name: str
    """That of the configuration."""
    pools: tuple[Pool, ...]
    """The deployments of the model, then those of each of its fallbacks."""
    after_refusal: tuple[Pool, ...]
    """The deployments of models that are asked for what is refused as too long, or for what it says."""


class Pools:
    """The pools of all models, by the names of the configuration. `responses` knows who made which earlier response.
    Raises ValueError for a fallback that no deployment serves."""

    def __init__(self, deployments: Pool, settings: RouterSettings, responses: StoredResponses) -> None:
        self._pools = by_model(deployments)
        self._names = ModelNames(self._pools, settings.aliases)
        self._settings = settings
        self._responses = responses
        self._hands_on = any(one.credentials == "client" for one in deployments)
        """Whether there are deployments that are asked with the caller's own credential."""
        self._routes: dict[str, Route] = {}
        """By the names that were asked for."""
        kinds = (settings.fallbacks, settings.context_window_fallbacks, settings.content_policy_fallbacks)
        for name, targets in (item for fallbacks in kinds for item in fallbacks.items()):
            if unknown := [target for target in targets if self._names.find(target) is None]:
                raise ValueError(f"fallbacks of {name}: no deployment serves {', '.join(unknown)}")

    def model_names(self) -> tuple[str, ...]:
        """The names by which clients may ask for a model, in the order of the configuration: of entries, aliases, and
        models behind wildcards as far as they are known."""
        return (*self._names.listed(), *self._settings.behind_wildcards)

    def configured_name(self, asked: str) -> str | None:
        """The name in the configuration of the model that a client asks for: itself, or what its alias or a wildcard
        leads to. None if no deployment serves it."""
        if (route := self._routes.get(asked)) is not None:
            return route.name
        found = self._names.find(asked)
        return None if found is None else found.name

    def meanings(self, asked: str) -> tuple[str, ...]:
        """The names by which it may be allowed to ask for a model: that which is asked for, and that which it leads
        to."""
        return self._names.meanings(asked)

    def unknown_model(self, asked: str, allowed: Callable[[str], bool] = anything) -> UnknownModel:
        """The error for a model that no deployment serves, with names of some that are, of those that are allowed."""
        return self._names.unknown(asked, allowed)

    def of(self, asked: str) -> Pool:
        """The deployments of a model. Raises UnknownModel."""
        if (found := self._names.find(asked)) is None:
            raise self.unknown_model(asked)
        pool = self._pools[found.name]
        return [of_model(one, found.segments) for one in pool] if found.segments else pool

    def for_request(self, request: Request) -> Sequence[Pool]:
        """The deployments of its model and of each fallback that can do what it asks for, in turn. Raises UnknownModel,
        InvalidRequest or UnknownResponse where there is none."""
        pools: Sequence[Pool] = (self._routes.get(request.model) or self._route(request.model)).pools
        if request.operation != "chat":
            primary = pools[0]
            if not (pools := [pool for one in pools if (pool := able(one, request.operation))]):
                raise InvalidRequest(_unable(request, primary), param="model")
        if self._hands_on:
            pools = permitted(pools, request, addressed(self.of(request.model)))
        if DIALECTS[request.dialect].keeps_responses:
            pools = [self._responses.suited(pool, request) for pool in pools]
            if not any(pools):
                param = "previous_response_id" if "previous_response_id" in request.extra else "conversation"
                raise UnknownResponse(f"Nobody who serves this model is known to have made the {param}.", param=param)
        return pools if all(pools) else [pool for pool in pools if pool]

    def at_most(self, request: Request) -> list[Pool]:
        """All pools that may come to be asked for a request, whatever goes wrong. Raises as `for_request` does."""
        route = self._routes.get(request.model) or self._route(request.model)
        return [*self.for_request(request), *route.after_refusal]

    def after_refusal(self, error: UpstreamRejected, request: Request) -> list[Pool]:
        """The models that the operator named for a request that is refused for this reason: for another they would
        refuse it, too."""
        match error:
            case ContextOverflow():
                names = self._fallbacks(request.model, self._settings.context_window_fallbacks)
            case ContentRefused():
                names = self._fallbacks(request.model, self._settings.content_policy_fallbacks)
            case _:
                names = ()
        pools = [self._responses.suited(able(self.of(name), request.operation), request) for name in names]
        return [pool for pool in pools if pool]

    def _route(self, asked: str) -> Route:
        """Where a name leads, found once. Raises UnknownModel."""
        settings = self._settings
        pools = (self.of(asked), *map(self.of, self._fallbacks(asked, settings.fallbacks)))
        refused = (settings.context_window_fallbacks, settings.content_policy_fallbacks)
        after_refusal = [self.of(name) for fallbacks in refused for name in self._fallbacks(asked, fallbacks)]
        if len(self._routes) >= _KEPT:
            self._routes.clear()
        route = Route(self.configured_name(asked) or asked, pools, tuple(after_refusal))
        self._routes[asked] = route
        return route

    def _fallbacks(self, asked: str, fallbacks: Mapping[str, Sequence[str]]) -> Sequence[str]:
        """The fallbacks of the very name that was asked for, else of the configured name behind it."""
        if not fallbacks:
            return ()
        return fallbacks.get(asked) or fallbacks.get(self.configured_name(asked) or "", ())


def _unable(request: Request, pool: Pool) -> str:
    apis = ("the Responses API alone" if one.responses == "only" else one.provider.capitalize() for one in pool)
    who = " and ".join(dict.fromkeys(apis))
    deployments = ", ".join(one.id for one in pool)
    wanted = request.operation.replace("_", " ")
    return f"The model `{request.model}` is served by {who} ({deployments}), which has no {wanted}."

"""`credentials: client`, in an entry of `model_list`: its provider gets the credential that the caller sent along."""

from collections.abc import Sequence
from typing import Any, Literal

from app.addresses import HEADER_BLOCKS, base_of
from app.backends.client_credentials import addressed
from app.backends.deployments import by_model
from app.configuration.problems import Report
from app.conversion import Path
from app.providers import DIRECT, find
from app.settings import Deployment

KEY = "credentials"
_ACCOUNT = ("api_key", "azure_ad_token", "organization", "project")
_FOR_CREDENTIALS = frozenset({"authorization", "x-api-key", "api-key"})


def credentials_of(
    entry: dict[str, Any], params: dict[str, Any], path: Path, report: Report
) -> tuple[Literal["gateway", "client"], dict[str, Any]]:
    """Whose credential the entry wants, said beside its `litellm_params` or in them, and the parameters without it."""
    in_params = KEY in params
    value = params.get(KEY) if in_params else entry.get(KEY)
    others = {name: given for name, given in params.items() if name != KEY}
    match value:
        case None | "gateway":
            return "gateway", others
        case "client":
            return "client", others
        case _:
            where = (*path, "litellm_params", KEY) if in_params else (*path, KEY)
            report.problem(where, "expected client, or gateway (the default)")
            return "gateway", others


def check_handed_on(deployment: Deployment, path: Path, report: Report) -> None:
    """Report what cannot hand on a caller's credential, or would send another one as well."""
    if deployment.credentials != "client":
        return
    params, where = deployment.params, (*path, KEY)
    if deployment.backend not in DIRECT:
        message = "client needs a provider that is asked directly: only there is it certain where a credential goes"
        report.problem(where, message)
        return
    found = find(deployment.model, params)
    if found is not None and found.provider.api_versions is not None:
        report.problem(where, f"client is not supported for {found.provider.prefix}, which has keys of another form")
    headers = [str(name).lower() for block in HEADER_BLOCKS for name in params.get(block) or {}]
    set_here = [name for name in _ACCOUNT if params.get(name)] + [name for name in headers if name in _FOR_CREDENTIALS]
    if set_here:
        report.problem(where, f"client, and {set_here[0]} is set as well: one of the two has to go")
    if "@" in str(base_of(params) or ""):
        report.problem(where, "client, and the address has a user and password: one of the two has to go")


def check_pools(deployments: Sequence[Deployment], report: Report) -> None:
    """Report a model whose deployments would give one caller's credential to several providers. Those that speak
    different APIs never do: a request goes to that of its own API alone."""
    for name, pool in by_model(deployments).items():
        by_api = [[one for one in pool if one.backend == api] for api in DIRECT]
        if any(len(addressed(same)) > 1 for same in by_api):
            message = f"the deployments of {name} with credentials: client are of several providers or addresses"
            report.problem(("model_list",), f"{message}, and a caller's credential is for one")

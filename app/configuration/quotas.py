"""`gateway.quotas`: a store in which it can be kept what is used of limits and budgets."""

from importlib.util import find_spec

from app.configuration.problems import Report
from app.conversion import Path
from app.quotas.state_urls import read_state_url
from app.settings import QuotaSettings

_PATH: Path = ("gateway", "quotas", "store")


def check_quotas(quotas: QuotaSettings, report: Report, *, is_here: bool) -> None:
    """Report a store that is none. `is_here`: the gateway is to run here, with what is there."""
    try:
        url = read_state_url(quotas.store)
    except ValueError as error:
        report.problem(_PATH, str(error))
        return
    if not is_here:
        return
    if url.file is not None and not url.file.absolute().parent.is_dir():
        report.problem(_PATH, f"the folder {url.file.absolute().parent} is not there")
    if url.kind == "redis" and find_spec("redis") is None:
        report.problem(_PATH, "needs redis, which is not installed: pip install 'redis>=8.1'")

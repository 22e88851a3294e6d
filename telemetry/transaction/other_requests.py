"""A request that is no transaction: a probe, the list of models, a path that nobody serves. It has an id, is counted,
and leaves a line: probes at `debug`, all others at `info`, faults of the gateway at `error`.

A path is not told as it came, for it may hold anything; of one that is unknown the line has its shape.
"""

from collections.abc import Mapping
from secrets import token_hex
from time import perf_counter

from telemetry.guard import guarded
from telemetry.logs.records import Level, is_logged, log_access
from telemetry.names import NO_KEY, OTHER, OTHER_ACCESS_LOGGER, REQUEST_PREFIX
from telemetry.traces.http import HttpRequest, path_shape, products_of
from telemetry.transaction.identity import Identity
from telemetry.transaction.services import Services

_FAULT = 500


class OtherRequest:
    """Made by `Telemetry.open_other`, and ended once. Set `status` to that of the response when it is sent,
    `key` to the name of the caller's key, and `error_type` where the request was turned away."""

    def __init__(self, services: Services, request: HttpRequest, path: str, *, is_probe: bool) -> None:
        self.id = REQUEST_PREFIX + token_hex(16)
        """What the response's `x-request-id` says."""
        self.status = 0
        """Zero as long as no response was sent."""
        self.error_type = ""
        self.key = NO_KEY
        self.defects = services.defects
        self._services = services
        self._request = request
        self._path = path
        self._is_probe = is_probe
        self._began = perf_counter()

    @guarded
    def end(self, ids: Mapping[str, str], attributes: Mapping[str, str]) -> None:
        """Count it, and leave its line with what was found of whose it is, as in `ObservabilityContext.note_ids`."""
        self._services.metrics.other_requests.ended(self._request.route, self.status)
        level: Level = "debug" if self._is_probe else "error" if self.status == _FAULT else "info"
        if is_logged(level):
            identity = Identity(ids, attributes, self._services.scrub)
            message = f"{self._request.method} {self._request.route} {self.status}"
            log_access(message, {**self._fields(), **identity.log_fields}, level, OTHER_ACCESS_LOGGER)

    def _fields(self) -> dict[str, object]:
        request = self._request
        fields: dict[str, object] = {
            "request_id": self.id,
            "method": request.method,
            "route": request.route,
            "status": self.status,
            "client_address": request.client_address,
            "duration_s": round(perf_counter() - self._began, 6),
        }
        if request.route == OTHER:
            fields["path"] = path_shape(self._path)
        if user_agent := products_of(request.headers.get("user-agent", "")):
            fields["user_agent"] = user_agent
        fields.update(self._services.metrics.keys.of(self.key).identity.log_fields)
        if self.error_type:
            fields["error_type"] = self.error_type
        return fields

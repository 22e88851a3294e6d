"""HTTP in and out: which request is served how, and the lifetime of each.

application ....... the ASGI application: finds the route and checks the key, before anything else
authentication .... who may call, by the head of a request
revocations ....... keys that an operator has taken back
routes ............ path -> methods, dialect and handler, of the model routes
framework_routes .. what Starlette serves: health, models and usage
usage ............. a caller's limits and budgets, as it is shown them
front_page ........ what the gateway says of itself, at `/` and to whoever asks for an unknown path
other_requests .... what these and unknown paths leave: an id, a count, a line
request_head ...... the head of a request, as telemetry gets it
quotas ............ limits and budgets of the caller at work: admitted, reserved, and what it comes to
denials ........... a limit that is in the way, in words and headers
quota_readings .... how much is used, for metrics
identity .......... whose a request is, in step with what policies change of it
exchange .......... one request and its reply: owns span, task and upstream, and ends them, with one outcome
body .............. read, parsed and decoded within limits
handlers .......... what is done for a request, by operation: complete, count_tokens, stored_response
call .............. what a handler gets
reply ............. the response, as JSON or as a stream: what may still be sent of it
client_connection . what the gateway needs of the server beside ASGI
in_flight ......... the open exchanges, and their end at a shutdown

`GatewayApp(gateway, others)(scope, receive, send)` serves a request under any ASGI server, and without one.
"""

from app.gateway.application import GatewayApp
from app.gateway.call import Gateway, PolicyChain
from app.gateway.framework_routes import ERROR_HANDLERS, FRAMEWORK_ROUTES
from app.gateway.in_flight import InFlight
from app.gateway.other_requests import HEALTH_PATHS, ROUTES, route_of
from app.gateway.quota_readings import QuotaReadings, budget_warnings, limited_keys
from app.gateway.revocations import RevokedKeys

__all__ = [
    "ERROR_HANDLERS",
    "FRAMEWORK_ROUTES",
    "HEALTH_PATHS",
    "ROUTES",
    "Gateway",
    "GatewayApp",
    "InFlight",
    "PolicyChain",
    "QuotaReadings",
    "RevokedKeys",
    "budget_warnings",
    "limited_keys",
    "route_of",
]

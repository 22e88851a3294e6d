"""Models that answer as a provider once did: each serves recordings, each to the request that it is the answer of.

backend ............ one deployment: which recording a request gets
recorded_provider .. the provider of a recording, with its times and faults
differences ........ whether a request is the recorded one
bundled ............ deployments named `simulated/replay:FILE`
"""

from app.backends.replay.backend import NotReplayable, ReplayBackend, Take, client_body, take_of
from app.backends.replay.bundled import BUNDLE, PREFIX, file_of, make_bundled, validate_bundled
from app.backends.replay.differences import Difference

__all__ = [
    "BUNDLE",
    "PREFIX",
    "Difference",
    "NotReplayable",
    "ReplayBackend",
    "Take",
    "client_body",
    "file_of",
    "make_bundled",
    "take_of",
    "validate_bundled",
]

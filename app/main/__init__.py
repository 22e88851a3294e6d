"""The composition root: makes the gateway from its settings, and once more from changed ones.

composition ..... `compose` makes a process's application and what is in it; `Composition.reload` changes its settings
lasting ......... `Lasting`: what is made once and outlives a configuration, and takes over what changed in it
generation ...... `make_gateway`: what is made anew for each configuration, of its settings and what lasts
observability ... telemetry by the settings: its options, the names it shows, the secrets it hides
"""

from app.main.composition import Composition, compose, create_app
from app.main.generation import make_gateway
from app.main.lasting import Lasting, make_lasting
from app.main.observability import concealing_of, make_telemetry, secrets_of

__all__ = [
    "Composition",
    "Lasting",
    "compose",
    "concealing_of",
    "create_app",
    "make_gateway",
    "make_lasting",
    "make_telemetry",
    "secrets_of",
]

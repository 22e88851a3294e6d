"""A policy that does nothing and costs nothing, for trying out and for measuring: no hook is overridden."""

from app.policies.base import Policy


class Noop(Policy):
    name = "noop"

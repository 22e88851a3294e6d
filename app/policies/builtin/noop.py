"""A policy that does nothing and costs nothing: no hook is overridden. For trying out, and for measuring."""

from app.policies.base import Policy


class Noop(Policy):
    name = "noop"

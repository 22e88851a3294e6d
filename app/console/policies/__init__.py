"""Policies: a recorded transaction through another chain of policies, with its request and answer before and after.

chains ... a chain as YAML, and back; pure
page ..... the form, and what came of it
"""

from app.console.policies.page import ROUTES

__all__ = ["ROUTES"]

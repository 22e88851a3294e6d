"""The form of a prompt, by which it is recognised in a provider's cache: a hash of each tool, of each part of the
system prompt and of each message. Pure.

What marks blocks to be cached is no part of them: clients move their marks on from turn to turn. Two ways to write one
thing, such as a text alone and a list of that text, have one form. `requests` has the form of a request in the common
form, `bodies` that of a body in a provider's own API.
"""

from app.prompt_forms.bodies import form_of_body
from app.prompt_forms.requests import LEAST_SIZE, cache_lifetime, prompt_forms_of

__all__ = ["LEAST_SIZE", "cache_lifetime", "form_of_body", "prompt_forms_of"]

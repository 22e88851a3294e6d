"""Every provider that LiteLLM knows, through LiteLLM as a library. Importing this package does not import LiteLLM: the
first use does (`loading`), because it takes seconds and some hundred megabytes.

The way of a request: `parameters` (common form -> allow-listed arguments) -> `litellm.acompletion` -> `tap` (notes on
the provider's own chunks what LiteLLM would drop) -> `conversion` -> `repair`; `errors` translates all failures.
"""

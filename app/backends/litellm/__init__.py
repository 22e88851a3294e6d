"""Every provider that LiteLLM knows, through LiteLLM as a library. Importing this package does not import LiteLLM: the
first use does (`loading`), because it takes seconds and some hundred megabytes.

The way of a request: `parameters` (common form -> allow-listed arguments) -> `litellm.acompletion` -> `conversion` (to
the common form) -> `chunk_repair` (puts back what LiteLLM lost of the provider's chunks). `completions_and_embeddings`
has the arguments and answers of these two operations, `errors` translates all failures.
"""

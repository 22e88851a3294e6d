"""One policy at work on one transaction: chunks taken apart into blocks, hooks called, what they emit passed on.

link             one policy on one stream: `feed` each chunk, `finish`, `close`
hook_call        one call of a hook, of any kind: time limit, failure, telemetry
hook_context     what a streaming hook is given: the chunk at hand, and `emit`
account          what the policy emitted, held back and skipped
blocks           chunks into deltas and whole blocks (pure)
other_texts      the texts beside content, thinking and tool calls, with
text_pieces        those that come in pieces (pure), and
logprobs           log probabilities, which repeat a text (pure)
whole            a whole response as one chunk, and back (pure)
"""

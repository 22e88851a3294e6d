"""One transaction, observed: a face for each subject, all of which share one trace.

context ......... ObservabilityContext: opens the others, and ends them with exactly one outcome
head ............ what is known from a request's head, made once for all that come with the same one
trace ........... the transaction's span, those below it, its events
attempts ........ attempts at providers: spans, metrics, tokens, cost
policies ........ one policy's spans, decisions and metrics
queues .......... queues, from the first item to the last
breakers ........ breakers that changed, or turned the transaction away
quotas .......... limits that turned it away, budgets of which it passed a share
ending .......... a summary made once, and its renderings as span, metrics and access line
tape ............ what passed, byte for byte, where transactions are recorded
taping .......... who takes the tapes, and what they get beside them
boundary ........ events on the span, as log records, or both
services ........ the parts of a process that transactions work with
"""

"""What a recording says: the conversation that was sent, and the answer as it reads, whatever API it was spoken in.

Everything here is pure, and none of it fails for what stands in a body: what cannot be read is given as it is, with a
note that says why.

server_events .. pieces of an answer's bytes -> its events with their times
requests ....... a request's body -> messages, tools and parameters
answers ........ an answer's pieces -> thinking, text, calls, stop reason, tokens, error
changes ........ what a request adds to an earlier one, and what it changed of it
plain .......... an answer -> lines of plain text
page ........... recordings -> one HTML page that needs nothing else
differences .... two texts -> the lines that differ, within bounds
"""

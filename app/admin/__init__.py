"""How a running gateway is acted upon: what may be done, who does it, and the API and command that ask for it.

acts ............ what can be done, as values; who performs them
operator ........ performs them on the gateway of this process; `listing` is what it shows
log_level ....... the level of the log, for a time or for good
merging ......... one outcome of those of all processes that serve together; pure
standing ........ what a process has to perform that begins to serve beside others; pure
on_loop ......... performs them on the gateway's event loop, for another one, within a time
audit ........... a line for each of them, before and after
access .......... who may ask for them
application ..... the API: routes, errors
server .......... serves it, in a thread of its own
administration .. the audit log and the API of a gateway
client .......... asks for them, from a terminal; `tables` show what became of them
"""

"""Several processes that serve together, and the one that looks after them.

supervisor ...... `supervise` binds the ports, starts the workers, and ends with them; it serves no request
fleet ........... the workers: started, replaced, told and asked
handle .......... one worker, as the supervisor sees it
worker .......... the program of a worker process: a gateway on sockets that it was given
messages ........ what both say to each other, and `channel` how
administration .. acts on all of them
acts ............ performed by all of them, in the end by those that start later, too
relay ........... what the workers let each other know
restarts ........ how soon one that died is replaced; pure
folder .......... the memory that they share, and what is left of gateways that were killed
cores ........... how many workers `auto` stands for
"""

"""The process around the application: it listens, handles signals, and ends.

process ......... `serve` runs a gateway and its metrics port until a signal ends it
server .......... `GatewayServer`: uvicorn with the gateway's event loop, connections (`app.edge`) and drain
start ........... what it was started with: sockets, a predecessor, a service manager
listening ....... the sockets of the API: bound, or inherited
succession ...... another process in the place of this one, with the same sockets
in_thread ....... a gateway in a thread of a process that does something else
address_file .... where it listens, written down for probes
administration .. the admin API of the process
process_end ..... ends the process in time, whatever hangs in a thread
"""

"""A running gateway as it is shown live, by its console to a browser and to `flowspan watch`, and by the demo.

frame ............. one moment of a gateway as JSON; the rates between two of them
source ............ makes frames of the gateway of this process, for readers in other threads
moments ........... what happened, in words
screen, ledger_bar  a frame as the lines of a terminal, or as one line
console_client .... asks a console over HTTP
watching .......... a gateway that runs elsewhere
terminal .......... keys, signals and the screen, given back as they were
"""

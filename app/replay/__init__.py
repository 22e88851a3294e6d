"""Recordings replayed: through other policies, to another model, as a regression test.

engine ....... one recording through the pipeline of a gateway made for it
client ....... the client of that gateway
comparison ... what came back then, and now
"""

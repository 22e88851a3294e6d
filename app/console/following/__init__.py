"""A conversation as it is said, for `flowspan watch --follow`.

follower ... transactions that are under way, and recordings, to events: each word once; pure
feed ....... the events of one conversation, for as long as somebody listens
"""

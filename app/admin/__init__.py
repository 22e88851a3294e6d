"""How a running gateway is acted upon: what may be done (`acts`), who does it, and the API and command that ask."""

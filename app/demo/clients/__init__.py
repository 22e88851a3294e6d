"""The demo's clients: what they ask over HTTP, and what they make of answers. They share no code with the gateway."""

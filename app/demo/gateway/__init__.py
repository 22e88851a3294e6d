"""The demo's gateway, with its scenario of models and faults, and what it tells of itself: spans and log lines."""

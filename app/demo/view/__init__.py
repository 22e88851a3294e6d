"""What a terminal shows of the demo: the live view of its gateway, or one transaction as a waterfall."""

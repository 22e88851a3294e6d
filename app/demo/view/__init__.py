"""What a terminal shows of the demo: frames of a live view, a line a second, or one transaction as a waterfall."""

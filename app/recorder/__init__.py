"""What is kept of transactions, byte for byte: taken as they pass, written by a thread of its own, looked at later."""

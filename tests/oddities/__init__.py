"""What providers say that no specification has, and what each kind of client is to make of it."""

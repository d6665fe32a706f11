"""Redis as all of ours meet it: its address, the one way to connect, an embedded server."""

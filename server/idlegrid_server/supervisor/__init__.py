"""One command that runs the whole server: starts its processes, watches and ends them."""

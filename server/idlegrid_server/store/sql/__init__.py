"""Every SQL text of the server, by subject. Each has a name and a purpose."""

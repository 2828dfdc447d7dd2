"""This machine: what it has, and what runs on it for us."""

"""Talking to a project's server: signed requests, resumable files in both directions."""

"""The main job, from nothing to one answer: what `make demo` runs."""

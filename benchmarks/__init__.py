"""Every figure that we publish, one command each: `python -m benchmarks list`, `… run NAME`."""

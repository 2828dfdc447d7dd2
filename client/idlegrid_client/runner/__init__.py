"""A task's run: verified once more, boxed in, humble, and its result durable before it is told."""

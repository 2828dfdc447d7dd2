"""The agent's decisions: events in, instructions out. No I/O, no clock, no random source."""

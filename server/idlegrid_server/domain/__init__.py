"""Pure decisions over snapshots: no clock, no I/O, no database, no random source."""

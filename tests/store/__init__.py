"""The store: the same stories on SQLite here, through its writer process, and on PostgreSQL."""

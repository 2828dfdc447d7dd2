"""Tests by kind: unit, property, simulation, store, server, web, client, sdk, sandbox, laws."""

"""Faults under load, and an audit of every response: `make chaos`.

A scenario (scenarios.py) injects faults into a world (world.py) of services and a PostgreSQL, while clients
(clients.py) move money and record every outcome. The same audit (audit.py) follows each scenario: nothing may be lost,
doubled, invented or reported in two ways, no invariant broken, and nothing leaked.
"""

"""Faults under load, and an audit of every answer that was given: `make chaos`.

A scenario (scenarios.py) injects faults into a world (world.py) of services and a PostgreSQL, while clients
(clients.py) move money and write down what they were told. Afterwards the same audit (audit.py) is held for all:
nothing may be lost, doubled, invented or answered in two ways, nothing may be broken, and nothing may leak.
"""

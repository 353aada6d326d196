"""The database as the service sees it: connections that may execute functions and touch no table.

`connection` opens one, `pool` keeps some, `batcher` turns many requests into few calls, `calls` has the statement of
every call.
"""

"""Access to the database: every call executes a function of the schema `wallet`.

`connection` opens a connection, `pool` keeps some, `batcher` turns many requests into few calls, `batchers` has those
of the application, and `calls` has the SQL.
"""

"""What a deployment makes of a database, to compare one database with another."""

import asyncpg

_OBJECTS = """
    select
        oid::regclass::text as name,
        concat_ws(' ', relkind, relowner::regrole, coalesce(relacl, acldefault('r', relowner)), pg_get_viewdef(oid))
            as definition
    from pg_class where relnamespace = 'wallet'::regnamespace
    union all
    select attrelid::regclass || '.' || attname, concat_ws(' ', attnum, atttypid::regtype, attnotnull)
    from pg_attribute join pg_class as c on c.oid = attrelid
    where c.relnamespace = 'wallet'::regnamespace and attnum > 0
    union all
    select conname, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'wallet'::regnamespace
    union all
    select indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    from pg_index join pg_class as c on c.oid = indrelid where c.relnamespace = 'wallet'::regnamespace
    union all
    select tgname, pg_get_triggerdef(t.oid) from pg_trigger as t join pg_class as c on c.oid = t.tgrelid
    where c.relnamespace = 'wallet'::regnamespace and not tgisinternal
    union all
    select oid::regprocedure::text, concat_ws(' ', pg_get_functiondef(oid), proowner::regrole, proacl)
    from pg_proc where pronamespace = 'wallet'::regnamespace
    union all
    select nspname, nspacl::text from pg_namespace where nspname in ('wallet', 'public')
    union all
    select 'default privileges', defaclacl::text from pg_default_acl
    union all
    select code, decimals::text from wallet.currencies
    order by 1, 2
"""


async def catalogue(url: str) -> list[tuple[str, str]]:
    """Every object of the schema: its name, and its definition with its owner and grants."""
    connection = await asyncpg.connect(url)
    try:
        return [(row["name"], row["definition"]) for row in await connection.fetch(_OBJECTS)]
    finally:
        await connection.close()

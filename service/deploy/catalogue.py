"""What the replay reads in PostgreSQL's catalogue of schema wallet."""

# Transactions in which a statement runs. What others run is hidden from some users, for whom all of them count.
RUNNING = """
    select l.virtualtransaction
    from pg_locks as l
    left join pg_stat_activity as a on l.pid = a.pid
    where l.locktype = 'virtualxid' and l.pid <> pg_backend_pid() and coalesce(a.state, '') !~ '^idle'
"""
OBJECTS = """
    select
        o.*,
        o.owner = $1::text::regrole as is_ours
    from (
        select
            'pg_proc'::regclass::oid as catalogue, oid, proname::text as name, 'routine' as kind,
            oid::regprocedure::text as identity, proowner as owner, prorettype = 'trigger'::regtype as is_trigger
        from pg_proc
        where pronamespace = 'wallet'::regnamespace
        union all
        select 'pg_class'::regclass::oid, oid, relname::text, 'view', oid::regclass::text, relowner, false
        from pg_class
        where relnamespace = 'wallet'::regnamespace and relkind = 'v'
    ) as o
"""
# What depends on a view, on its row type or on a function. A view's query is a rule of the view.
DEPENDENTS = """
    select distinct
        coalesce(r.ev_class, d.objid) as oid,
        case when r.oid is null then d.classid else 'pg_class'::regclass::oid end as catalogue,
        case
            when r.oid is null then pg_describe_object(d.classid, d.objid, d.objsubid)
            else pg_describe_object('pg_class'::regclass, r.ev_class, 0)
        end as description
    from pg_depend as d
    left join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
    where d.deptype in ('n', 'a')
        and coalesce(r.ev_class, d.objid) <> $2
        and (
            (d.refclassid, d.refobjid) = ($1, $2)
            or d.refclassid = 'pg_type'::regclass and d.refobjid in (
                select unnest(array[t.oid, t.typarray])
                from pg_type as t join pg_class as c on t.oid = c.reltype
                where $1 = 'pg_class'::regclass::oid and c.oid = $2
            )
        )
"""
# What a DBA granted to other roles than ours.
GRANTS = """
    select
        o.name,
        format(
            'grant %s on %s wallet.%I to %s%s',
            a.privilege_type, o.kind, o.name, a.grantee::regrole, case when a.is_grantable then ' with grant option' end
        ) as statement
    from (
        select 'routine' as kind, proname as name, proowner as owner, proacl as acl from pg_proc
        where pronamespace = 'wallet'::regnamespace
        union all
        select 'table', relname, relowner, relacl from pg_class
        where relnamespace = 'wallet'::regnamespace and relkind = 'v'
    ) as o
    cross join aclexplode(o.acl) as a
    where a.grantee not in (0, o.owner)
        and a.grantee::regrole::text not in ('wallet_owner', 'wallet_app', 'wallet_reader')
"""
# All of a view but its owner.
VIEW = """
    select
        pg_get_viewdef(c.oid) as query,
        c.reloptions as options,
        obj_description(c.oid, 'pg_class') as comment,
        (
            select array_agg(a.item::text order by a.item::text)
            from unnest(c.relacl) as a (item)
            where a.item::text ~ '^(wallet_app|wallet_reader|)='
        ) as grants,
        (
            select array_agg(
                concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), col_description(c.oid, a.attnum))
                order by a.attnum
            )
            from pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0
        ) as columns
    from pg_class as c
    where c.oid = to_regclass($1) and c.relkind = 'v'
"""

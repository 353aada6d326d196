-- sha256 of all functions and views of the schema as they are now: definitions, owners and grants. On views it leaves
-- out what a DBA grants to other roles.
create or replace function wallet._functions_digest()
returns text
language sql
stable
set search_path = wallet, pg_temp
as $$
    select encode(sha256(convert_to(
        string_agg(o.definition, E'\n' order by o.name collate "C", o.definition collate "C"), 'UTF8'
    )), 'hex')
    from (
        select
            p.oid::regprocedure::text as name,
            concat_ws(E'\n', pg_get_functiondef(p.oid), p.proowner::regrole, (
                select string_agg(a.item::text, ' ' order by a.item::text collate "C")
                from unnest(p.proacl) as a (item)
            )) as definition
        from pg_proc as p
        where p.pronamespace = 'wallet'::regnamespace
            and p.prokind <> 'a' -- an aggregate has no definition to show
            and p.proname !~ '^_replaced_' -- a deployment drops these when the calls that run have returned
        union all
        select
            c.oid::regclass::text,
            concat_ws(E'\n', c.relname, pg_get_viewdef(c.oid), c.relowner::regrole, (
                select string_agg(a.item::text, ' ' order by a.item::text collate "C")
                from unnest(c.relacl) as a (item)
                where a.item::text ~ '^(wallet_app|wallet_reader|)='
            ))
        from pg_class as c
        where c.relnamespace = 'wallet'::regnamespace
            and c.relkind = 'v'
    ) as o
$$;

comment on function wallet._functions_digest() is
'sha256 of all functions and views of the schema as they are now: definitions, owners and grants.';

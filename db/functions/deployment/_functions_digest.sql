-- sha256 over all functions in this schema as the database has them now: definitions, owners and grants.
create or replace function wallet._functions_digest()
returns text
language sql
stable
set search_path = wallet, pg_temp
as $$
    select encode(sha256(convert_to(
        string_agg(
            concat_ws(E'\n', pg_get_functiondef(p.oid), p.proowner::regrole, g.grants), E'\n'
            order by p.proname, p.oid::regprocedure::text collate "C"
        ),
        'UTF8'
    )), 'hex')
    from pg_proc as p
    cross join lateral (
        select string_agg(a.item::text, ' ' order by a.item::text collate "C") as grants
        from unnest(p.proacl) as a (item)
    ) as g
    where p.pronamespace = 'wallet'::regnamespace
        and p.prokind <> 'a' -- an aggregate has no definition to show
$$;

comment on function wallet._functions_digest() is
'sha256 of all functions of the schema as they are now: definitions, owners and grants.';

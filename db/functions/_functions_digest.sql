-- sha256 over the definitions of all functions in this schema, as the database has them now.
create or replace function wallet._functions_digest()
returns text
language sql
stable
set search_path = wallet, pg_temp
as $$
    select encode(sha256(convert_to(
        string_agg(pg_get_functiondef(p.oid), E'\n' order by p.proname, p.oid::regprocedure::text collate "C"),
        'UTF8'
    )), 'hex')
    from pg_proc as p
    where p.pronamespace = 'wallet'::regnamespace
$$;

comment on function wallet._functions_digest() is 'sha256 of all function definitions of the schema as they are now.';

-- migrate:up

-- Roles belong to the whole server, not to one database, so they may be there already: made for another
-- database of the same server, or by an administrator where the migrating user may not create roles.
do $$
declare
    v_roles constant text[] := array['wallet_owner', 'wallet_app', 'wallet_reader'];
    v_role text;
begin
    foreach v_role in array v_roles loop
        if not exists (select from pg_catalog.pg_roles where rolname = v_role) then
            begin
                execute format('create role %I nologin', v_role);
            exception
                when duplicate_object or unique_violation then
                    null; -- another database of this server is migrating at the same moment
            end;
        end if;
        -- A user that is no superuser has to be a member of the owner to create what the owner will own, and of
        -- wallet_app to serve as it. Being the one who created the role is not enough on PostgreSQL 16 and later.
        if not pg_catalog.pg_has_role(current_user, v_role, 'usage') then
            execute format('grant %I to current_user', v_role);
        end if;
    end loop;
exception
    when insufficient_privilege then
        -- In the message, because dbmate does not show hints.
        raise exception '% may not create or may not grant the roles of the wallets; an administrator can: %',
            current_user,
            concat(
                (
                    select string_agg(format('create role %I nologin; ', r.name), '' order by r.place)
                    from unnest(v_roles) with ordinality as r (name, place)
                    where not exists (select from pg_catalog.pg_roles as p where p.rolname = r.name)
                ),
                format('grant %s to %I;', array_to_string(v_roles, ', '), current_user)
            )
            using errcode = 'insufficient_privilege';
end;
$$;

do $$
begin
    execute format('grant create on database %I to wallet_owner', current_database());
end;
$$;

create schema wallet authorization wallet_owner;
comment on schema wallet is
'Wallets and their append-only ledger. The functions are the interface: \df+ wallet.* describes them.
Tables are private: their columns may change. The views are for analysts.';

grant usage on schema wallet to wallet_app, wallet_reader;

-- PostgreSQL lets everybody execute a new function unless told otherwise.
alter default privileges for role wallet_owner revoke execute on functions from public;

-- migrate:down

drop schema wallet cascade;
alter default privileges for role wallet_owner grant execute on functions to public;
do $$
begin
    execute format('revoke create on database %I from wallet_owner', current_database());
end;
$$;

-- Signs in an admin whose password the service has checked: from now on p_session, a random token that the service
-- generated, stands for the admin. Deletes the account's failed attempts and all expired sessions.
--
-- Locks:  the admin's row against changes, and the rows that it deletes.
-- Raises: WA018 admin_not_found
create or replace function wallet.begin_session(p_username text, p_session text, p_address inet)
returns void
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin admins;
begin
    select * into v_admin from admins as a where lower(a.username) = lower(p_username) for share;
    if not found then
        raise exception 'admin not found: %', coalesce(p_username, 'null') using errcode = 'WA018';
    end if;

    delete from login_attempts as l where l.username = lower(p_username);
    delete from admin_sessions as s
    where s.last_seen_at <= statement_timestamp() - interval '30 minutes'
        or s.created_at <= statement_timestamp() - interval '12 hours';
    insert into admin_sessions (token_hash, admin_id, address)
    values (sha256(convert_to(p_session, 'UTF8')), v_admin.id, p_address);
    perform _record_audit(v_admin.username, p_address, 'login');
end;
$$;

comment on function wallet.begin_session(text, text, inet) is
'Signs an admin in with a token that the service generated; raises WA018.';

grant execute on function wallet.begin_session(text, text, inet) to wallet_app;

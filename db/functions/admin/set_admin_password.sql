-- Changes an admin's password and ends all sessions of that admin. p_session must be the admin's own; null is an
-- operator at the command line.
--
-- Locks:  the rows of the admin and of the sessions, until the transaction ends.
-- Raises: WA018 admin_not_found   WA020 not_signed_in
create or replace function wallet.set_admin_password(
    p_username text,
    p_password_hash text,
    p_session text default null,
    p_address inet default null
)
returns void
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin admins;
begin
    if p_session is not null and lower(_require_admin(p_session)) is distinct from lower(p_username) then
        raise exception 'not signed in: the session belongs to another admin' using errcode = 'WA020';
    end if;

    update admins as a
    set password_hash = p_password_hash, password_changed_at = clock_timestamp()
    where lower(a.username) = lower(p_username)
    returning a.* into v_admin;
    if not found then
        raise exception 'admin not found: %', coalesce(p_username, 'null') using errcode = 'WA018';
    end if;
    delete from admin_sessions as s where s.admin_id = v_admin.id;
    perform _record_audit(v_admin.username, p_address, 'set_password');
end;
$$;

comment on function wallet.set_admin_password(text, text, text, inet) is
'Changes an admin''s password and ends the admin''s sessions; raises WA018 or WA020.';

grant execute on function wallet.set_admin_password(text, text, text, inet) to wallet_app;

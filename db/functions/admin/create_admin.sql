-- Creates an admin, who signs in with a username and a password. The service hashes the password; names that differ
-- only in case are one name.
--
-- Locks:  nothing but the username: another call that creates it waits.
-- Raises: WA016 admin_already_exists   WA017 invalid_username
create or replace function wallet.create_admin(p_username text, p_password_hash text)
returns wallet.admin_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin admin_details;
begin
    if p_username is null or p_username !~ '^[[:alnum:]@.+_-]{1,150}$' then
        raise exception 'username must be 1 to 150 letters, digits and @ . + - _' using errcode = 'WA017';
    end if;

    insert into admins (username, password_hash)
    values (p_username, p_password_hash)
    on conflict (lower(username)) do nothing;
    if not found then
        raise exception 'admin already exists: %', p_username using errcode = 'WA016';
    end if;
    perform _record_audit(p_username, null, 'create_admin');
    select * into v_admin from admin_details as a where a.username = p_username;
    return v_admin;
end;
$$;

comment on function wallet.create_admin(text, text) is
'Creates an admin with a hashed password; raises WA016 or WA017.';

grant execute on function wallet.create_admin(text, text) to wallet_app;

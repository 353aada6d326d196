-- Stores another hash of the same password, for when the service's hashing parameters were raised. Does nothing when
-- the password was changed meanwhile, and ends no session.
--
-- Locks:  the admin's row, until the transaction ends.
-- Raises: nothing.
create or replace function wallet.renew_password_hash(p_username text, p_old_hash text, p_new_hash text)
returns void
language sql
security definer
set search_path = wallet, pg_temp
as $$
    update admins as a
    set password_hash = p_new_hash
    where lower(a.username) = lower(p_username) and a.password_hash = p_old_hash
$$;

comment on function wallet.renew_password_hash(text, text, text) is
'Stores another hash of an admin''s password, unless the password was changed meanwhile.';

grant execute on function wallet.renew_password_hash(text, text, text) to wallet_app;

-- Records a failed sign-in in the audit log.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.refuse_login(p_username text, p_address inet)
returns void
language sql
security definer
set search_path = wallet, pg_temp
as $$
    select _record_audit(left(coalesce(p_username, ''), 150), p_address, 'login', null, 'refused')
$$;

comment on function wallet.refuse_login(text, inet) is 'Records a failed sign-in in the audit log.';

grant execute on function wallet.refuse_login(text, inet) to wallet_app;

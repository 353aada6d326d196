-- Ends the session of a token; does nothing when it is not found.
--
-- Locks:  the session's row, until the transaction ends.
-- Raises: nothing.
create or replace function wallet.end_session(p_session text, p_address inet)
returns void
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_username text;
begin
    delete from admin_sessions as s
    using admins as a
    where s.token_hash = sha256(convert_to(p_session, 'UTF8')) and a.id = s.admin_id
    returning a.username into v_username;
    if found then
        perform _record_audit(v_username, p_address, 'logout');
    end if;
end;
$$;

comment on function wallet.end_session(text, inet) is 'Ends the session of a token.';

grant execute on function wallet.end_session(text, inet) to wallet_app;

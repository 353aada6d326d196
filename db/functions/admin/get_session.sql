-- The admin of a session, when it began, and when it expires without another request; no row when it is not found or
-- has expired. Each call extends the session.
--
-- Locks:  the session's row, at most once a minute.
-- Raises: nothing.
create or replace function wallet.get_session(p_session text)
returns table (username text, signed_in_at timestamptz, expires_at timestamptz)
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
#variable_conflict use_column
begin
    -- Not on every request: each version of the row is work for vacuum.
    update admin_sessions as s
    set last_seen_at = statement_timestamp()
    from _find_session(p_session) as f
    where s.token_hash = sha256(convert_to(p_session, 'UTF8'))
        and f.last_seen_at <= statement_timestamp() - interval '1 minute';
    return query select f.username, f.signed_in_at, f.expires_at from _find_session(p_session) as f;
end;
$$;

comment on function wallet.get_session(text) is
'The admin of a session, when it began and when it expires; no row when not found or expired. Extends the session.';

grant execute on function wallet.get_session(text) to wallet_app;

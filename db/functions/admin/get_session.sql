-- Who is signed in by a token, since when, and until when if nothing more is asked; no row when nobody is. Asking keeps
-- the session alive.
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
    -- Not at every request: each version of the row is work for vacuum.
    update admin_sessions as s
    set last_seen_at = statement_timestamp()
    from _find_session(p_session) as f
    where s.token_hash = sha256(convert_to(p_session, 'UTF8'))
        and f.last_seen_at <= statement_timestamp() - interval '1 minute';
    return query select f.username, f.signed_in_at, f.expires_at from _find_session(p_session) as f;
end;
$$;

comment on function wallet.get_session(text) is
'Who is signed in by a token, since when and until when; no row when nobody is. Keeps the session alive.';

grant execute on function wallet.get_session(text) to wallet_app;

-- The session of a token and its admin; no row when it is not found or has expired: 30 minutes after the last request,
-- or 12 hours after it began.
create or replace function wallet._find_session(p_session text)
returns table (admin_id uuid, username text, signed_in_at timestamptz, last_seen_at timestamptz, expires_at timestamptz)
language sql
stable
as $$
    select a.id, a.username, s.created_at, s.last_seen_at, e.expires_at
    from admin_sessions as s
    join admins as a on s.admin_id = a.id
    cross join lateral (
        select least(s.last_seen_at + interval '30 minutes', s.created_at + interval '12 hours') as expires_at
    ) as e
    where s.token_hash = sha256(convert_to(p_session, 'UTF8'))
        and e.expires_at > statement_timestamp()
$$;

comment on function wallet._find_session(text) is
'The session of a token and its admin; no row when not found or expired.';

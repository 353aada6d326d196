-- The username of the admin whose session a token is.
--
-- Raises: WA020 not_signed_in
create or replace function wallet._require_admin(p_session text)
returns text
language plpgsql
stable
as $$
declare
    v_username text;
begin
    select s.username into v_username from _find_session(p_session) as s;
    if not found then
        raise exception 'not signed in: session not found or expired' using errcode = 'WA020';
    end if;
    return v_username;
end;
$$;

comment on function wallet._require_admin(text) is 'The username of a session''s admin; raises WA020.';

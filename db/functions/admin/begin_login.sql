-- The password hash to check a sign-in against, null when the admin is not found. Records the attempt, which counts as
-- failed until begin_session. Raises once 10 attempts for the account, or 50 from the address, have failed within
-- 15 minutes; a call that raises is no attempt.
--
-- Locks:  the account and the address against other sign-ins, until the transaction ends: concurrent attempts would not
--         see each other.
-- Raises: WA019 too_many_attempts
create or replace function wallet.begin_login(p_username text, p_address inet)
returns text
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_username constant text := left(lower(coalesce(p_username, '')), 150);
    v_since constant timestamptz := clock_timestamp() - interval '15 minutes';
begin
    -- Always the account before the address: otherwise two calls could deadlock.
    perform pg_advisory_xact_lock(1, hashtext(v_username));
    perform pg_advisory_xact_lock(2, hashtext(host(p_address)));
    if (select count(*) from login_attempts as l where l.username = v_username and l.attempted_at > v_since) >= 10
        or (select count(*) from login_attempts as l where l.address = p_address and l.attempted_at > v_since) >= 50
    then
        raise exception 'too many failed sign-in attempts; retry in 15 minutes' using errcode = 'WA019';
    end if;

    delete from login_attempts as l where l.attempted_at <= v_since;
    insert into login_attempts (username, address) values (v_username, p_address);
    return (select a.password_hash from admins as a where lower(a.username) = lower(p_username));
end;
$$;

comment on function wallet.begin_login(text, inet) is
'The password hash to check a sign-in against, null for an unknown name; raises WA019 after too many failed attempts.';

grant execute on function wallet.begin_login(text, inet) to wallet_app;

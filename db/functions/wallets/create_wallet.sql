-- Creates an empty, active wallet. Its id is generated, or the caller's own: then a repeated call raises WA009 instead
-- of creating a second wallet.
--
-- Locks:  nothing but the id: another call that creates it waits.
-- Raises: WA009 wallet_already_exists   WA011 invalid_currency   WA014 invalid_name
create or replace function wallet.create_wallet(
    p_name text default null,
    p_currency text default 'RUB',
    p_id uuid default null
)
returns wallet.wallet_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_id uuid := coalesce(p_id, gen_random_uuid());
    v_now timestamptz := clock_timestamp();
begin
    if p_name is not null and (char_length(p_name) > 200 or p_name !~ '\S' or p_name ~ '[\u0001-\u001f\u007f]') then
        raise exception 'name must be 1 to 200 characters, not only blanks, without control characters'
            using errcode = 'WA014';
    end if;
    if not exists (select from currencies as c where c.code = p_currency) then
        raise exception 'currency must be an ISO 4217 code such as RUB or EUR; got %', coalesce(left(p_currency, 40), 'null')
            using errcode = 'WA011';
    end if;

    insert into wallets (id, name, currency, created_at, updated_at)
    values (v_id, p_name, p_currency, v_now, v_now)
    on conflict on constraint wallets_pkey do nothing;
    if not found then
        raise exception 'wallet already exists: %', v_id using errcode = 'WA009';
    end if;
    return get_wallet(v_id);
end;
$$;

comment on function wallet.create_wallet(text, text, uuid) is
'Creates an empty wallet in an ISO 4217 currency; raises WA009, WA011 or WA014.';

grant execute on function wallet.create_wallet(text, text, uuid) to wallet_app;

-- A wallet with its balance, status and currency.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found
create or replace function wallet.get_wallet(p_wallet_id uuid)
returns wallet.wallet_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_wallet wallet_details;
begin
    select * into v_wallet from wallet_details as w where w.id = p_wallet_id;
    if not found then
        raise exception 'wallet not found: %', coalesce(p_wallet_id::text, 'null') using errcode = 'WA001';
    end if;
    return v_wallet;
end;
$$;

comment on function wallet.get_wallet(uuid) is 'A wallet with its balance, status and currency; raises WA001.';

grant execute on function wallet.get_wallet(uuid) to wallet_app, wallet_reader;

-- The balance of a wallet in minor units.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found
create or replace function wallet.get_balance(p_wallet_id uuid)
returns bigint
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_balance bigint;
begin
    select w.balance into v_balance from wallets as w where w.id = p_wallet_id;
    if not found then
        raise exception 'wallet not found: %', coalesce(p_wallet_id::text, 'null') using errcode = 'WA001';
    end if;
    return v_balance;
end;
$$;

comment on function wallet.get_balance(uuid) is
'The balance of a wallet in minor units; raises WA001.';

grant execute on function wallet.get_balance(uuid) to wallet_app, wallet_reader;

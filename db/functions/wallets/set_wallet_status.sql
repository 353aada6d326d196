-- Freezes (FROZEN), unfreezes (ACTIVE) or closes (CLOSED) a wallet. Only an empty wallet can be closed, and a closed
-- one stays closed. The status that the wallet already has changes nothing.
--
-- Locks:  the wallet's row, until the transaction ends.
-- Raises: WA001 wallet_not_found   WA006 wallet_not_active (it is closed)
--         WA012 invalid_status     WA013 wallet_not_empty
create or replace function wallet.set_wallet_status(p_wallet_id uuid, p_status text)
returns wallet.wallet_details
language plpgsql
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_wallet wallets;
begin
    if p_status is null or p_status not in ('ACTIVE', 'FROZEN', 'CLOSED') then
        raise exception 'status must be ACTIVE, FROZEN or CLOSED; got %', coalesce(left(p_status, 40), 'null')
            using errcode = 'WA012';
    end if;

    select * into v_wallet from wallets as w where w.id = p_wallet_id for no key update;
    if not found then
        raise exception 'wallet not found: %', coalesce(p_wallet_id::text, 'null') using errcode = 'WA001';
    elsif v_wallet.status = p_status then
        return get_wallet(p_wallet_id);
    elsif v_wallet.status = 'CLOSED' then
        raise exception 'wallet not active: status is CLOSED' using errcode = 'WA006';
    elsif p_status = 'CLOSED' and v_wallet.balance <> 0 then
        raise exception 'wallet not empty: balance is %; only an empty wallet can be closed', v_wallet.balance
            using errcode = 'WA013';
    end if;

    update wallets as w
    set status = p_status, updated_at = greatest(clock_timestamp(), w.updated_at)
    where w.id = p_wallet_id;
    return get_wallet(p_wallet_id);
end;
$$;

comment on function wallet.set_wallet_status(uuid, text) is
'Makes a wallet ACTIVE, FROZEN or CLOSED (only when empty); raises WA001, WA006, WA012 or WA013.';

grant execute on function wallet.set_wallet_status(uuid, text) to wallet_app;

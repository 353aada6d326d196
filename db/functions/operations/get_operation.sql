-- One operation of a wallet.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA010 operation_not_found
create or replace function wallet.get_operation(p_wallet_id uuid, p_operation_id uuid)
returns wallet.operation_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_operation operation_details;
begin
    select * into v_operation
    from operation_details as o
    where o.wallet_id = p_wallet_id and o.operation_id = p_operation_id;
    if not found then
        perform get_balance(p_wallet_id);
        raise exception 'operation not found: %', coalesce(p_operation_id::text, 'null') using errcode = 'WA010';
    end if;
    return v_operation;
end;
$$;

comment on function wallet.get_operation(uuid, uuid) is
'One operation of a wallet; raises WA001 or WA010.';

grant execute on function wallet.get_operation(uuid, uuid) to wallet_app, wallet_reader;

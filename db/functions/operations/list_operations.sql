-- A page of a wallet's operations, newest first: those with a seq below p_before_seq, or the newest ones without it.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA015 invalid_limit
create or replace function wallet.list_operations(
    p_wallet_id uuid,
    p_limit integer default 50,
    p_before_seq bigint default null
)
returns setof wallet.operation_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
begin
    perform _check_limit(p_limit);
    perform get_balance(p_wallet_id);
    return query
        select o.*
        from operation_details as o
        where o.wallet_id = p_wallet_id
            and o.seq < coalesce(p_before_seq, 9223372036854775807)
        order by o.seq desc
        limit p_limit;
end;
$$;

comment on function wallet.list_operations(uuid, integer, bigint) is
'A page of a wallet''s operations, newest first. The next page: p_before_seq = the last seq of this one.';

grant execute on function wallet.list_operations(uuid, integer, bigint) to wallet_app, wallet_reader;

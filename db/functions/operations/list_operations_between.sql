-- A wallet's operations from p_from until before p_until (null for no bound), oldest first, in pages: those after
-- p_after_seq, at most p_limit.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA015 invalid_limit
create or replace function wallet.list_operations_between(
    p_wallet_id uuid,
    p_from timestamptz,
    p_until timestamptz,
    p_after_seq bigint default null,
    p_limit integer default 1000
)
returns setof wallet.operation_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_first constant bigint := greatest(
        _first_seq_since(p_wallet_id, coalesce(p_from, '-infinity')), coalesce(p_after_seq, 0) + 1
    );
    v_end constant bigint := _first_seq_since(p_wallet_id, coalesce(p_until, 'infinity'));
begin
    perform _check_limit(p_limit);
    return query
        select o.*
        from operation_details as o
        where o.wallet_id = p_wallet_id and o.seq >= v_first and o.seq < v_end
        order by o.seq
        limit p_limit;
end;
$$;

comment on function wallet.list_operations_between(uuid, timestamptz, timestamptz, bigint, integer) is
'A page of a wallet''s operations of a period, oldest first; raises WA001 or WA015.';

grant execute on function wallet.list_operations_between(uuid, timestamptz, timestamptz, bigint, integer)
to wallet_app, wallet_reader;

-- The newest remembered rejections of all wallets, newest first, each with its wallet's name and currency. No index has
-- them in order of time, but they are in the last blocks of the table, which is append-only.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_latest_rejections(p_limit integer)
returns setof wallet.latest_rejections
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
as $$
declare
    v_blocks constant bigint := pg_relation_size('rejections') / current_setting('block_size')::bigint;
    -- Usually enough: for blocks filled concurrently, and for those that a crash left empty.
    v_count bigint := 64;
    v_from tid;
begin
    perform _check_limit(p_limit);
    loop
        v_from := format('(%s,0)', greatest(v_blocks - v_count, 0))::tid;
        exit when v_count >= v_blocks or (select count(*) from rejections as o where o.ctid >= v_from) >= p_limit;
        v_count := v_count * 4;
    end loop;
    return query
        select l.*
        from (
            select n.wallet_id, n.id
            from rejections as n
            where n.ctid >= v_from
            order by n.created_at desc, n.wallet_id desc, n.id desc
            limit p_limit
        ) as r
        join latest_rejections as l on r.wallet_id = l.wallet_id and r.id = l.operation_id
        order by l.created_at desc, l.wallet_id desc, l.operation_id desc;
end;
$$;

comment on function wallet.list_latest_rejections(integer) is
'The newest remembered rejections of all wallets, newest first, with the wallet''s name and currency; raises WA015.';

grant execute on function wallet.list_latest_rejections(integer) to wallet_app, wallet_reader;

-- How many operations added to a balance (deposits) and took from one (withdrawals) in each of the last p_hours hours
-- of UTC, the current one included, oldest first. Counted by sign, so that no type is left out.
--
-- The time of an operation has no index: every insert would pay for it. But the ledger is append-only, so its blocks
-- are in order of time, except neighbours that were filled concurrently: a binary search finds the first block of the
-- period, and the blocks from there on are read. When those are many, evenly spaced ones stand for all, and the numbers
-- are estimates.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.get_activity(p_hours integer default 48)
returns table (hour timestamptz, deposits bigint, withdrawals bigint, is_estimate boolean)
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_max_blocks constant bigint := 1500;
    v_neighbours constant bigint := 64;
    v_blocks constant bigint := pg_relation_size('operations') / current_setting('block_size')::bigint;
    v_since constant timestamptz := date_trunc('hour', statement_timestamp(), 'UTC') - (p_hours - 1) * interval '1 hour';
    v_low bigint := 0;
    v_high bigint := v_blocks;
    v_middle bigint;
    v_from tid;
    v_until tid;
    v_step bigint;
begin
    perform _check_limit(p_hours);
    while v_low < v_high loop
        v_middle := (v_low + v_high) / 2;
        v_from := format('(%s,0)', v_middle)::tid;
        v_until := format('(%s,0)', v_middle + 8)::tid; -- not one block: a crash may have left some empty
        if (select min(o.created_at) from operations as o where o.ctid >= v_from and o.ctid < v_until) < v_since then
            v_low := v_middle + 1;
        else
            v_high := v_middle;
        end if;
    end loop;
    v_low := greatest(v_low - v_neighbours, 0);
    v_step := greatest(ceil((v_blocks - v_low) / v_max_blocks::float8), 1);

    return query
        select h.hour, coalesce(c.deposits, 0)::bigint, coalesce(c.withdrawals, 0)::bigint, v_step > 1
        from generate_series(v_since, v_since + (p_hours - 1) * interval '1 hour', interval '1 hour') as h (hour)
        left join (
            select
                -- Hours of UTC begin at whole multiples of 3600 seconds.
                floor(extract(epoch from o.created_at)::float8 / 3600) as since_epoch,
                count(*) filter (where _operation_sign(o.operation_type) = 1) * v_step as deposits,
                count(*) filter (where _operation_sign(o.operation_type) = -1) * v_step as withdrawals
            from generate_series(v_low, v_blocks, v_step) as b (block)
            cross join lateral (
                select n.created_at, n.operation_type
                from operations as n
                where n.ctid >= format('(%s,0)', b.block)::tid and n.ctid < format('(%s,0)', b.block + 1)::tid
                offset 0 -- a fence: blocks are read as a range only where their numbers are parameters
            ) as o
            where o.created_at >= v_since
            group by since_epoch
        ) as c on extract(epoch from h.hour)::float8 / 3600 = c.since_epoch
        order by h.hour;
end;
$$;

comment on function wallet.get_activity(integer) is
'Deposits and withdrawals in each of the last hours, oldest first; estimates when there are many. Raises WA015.';

grant execute on function wallet.get_activity(integer) to wallet_app, wallet_reader;

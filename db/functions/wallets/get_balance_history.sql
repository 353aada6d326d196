-- A wallet's balance over time, oldest first, in at most p_points points: after every operation if they are that few,
-- else after evenly spaced ones, the first and the last among them. Each point is one look-up, however many operations
-- there are.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA015 invalid_limit
create or replace function wallet.get_balance_history(p_wallet_id uuid, p_points integer default 300)
returns table (seq bigint, balance bigint, created_at timestamptz)
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
as $$
#variable_conflict use_column
declare
    v_last bigint;
    v_steps bigint;
begin
    perform _check_limit(p_points);
    v_last := (get_wallet(p_wallet_id)).last_seq;
    -- The first and the last are two points, even if p_points is 1.
    v_steps := greatest(least(v_last, p_points) - 1, 1);
    return query
        select o.seq, o.balance_after, o.created_at
        from generate_series(0, v_steps) as i (step)
        cross join lateral (
            select * from operations as f
            where f.wallet_id = p_wallet_id and f.seq = 1 + i.step * (v_last - 1) / v_steps
            limit 1 -- a fence: one look-up a point, however many rows the planner thinks there are
        ) as o
        -- With one operation, the first is also the last.
        where i.step = 0 or v_last > 1
        order by i.step;
end;
$$;

comment on function wallet.get_balance_history(uuid, integer) is
'A wallet''s balance over time in at most p_points points, first and last among them; raises WA001 or WA015.';

grant execute on function wallet.get_balance_history(uuid, integer) to wallet_app, wallet_reader;

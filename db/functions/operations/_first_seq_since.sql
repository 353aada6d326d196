-- The seq of a wallet's first operation at or after a time, one more than the last seq if none. A binary search:
-- within a wallet created_at never runs backwards.
create or replace function wallet._first_seq_since(p_wallet_id uuid, p_time timestamptz)
returns bigint
language plpgsql
stable parallel safe
as $$
declare
    v_low bigint := 1;
    v_high bigint := 1 + (get_wallet(p_wallet_id)).last_seq;
    v_middle bigint;
    v_time timestamptz;
begin
    while v_low < v_high loop
        v_middle := (v_low + v_high) / 2;
        -- Ordered, though it is one row: so the index on seq is used whatever the statistics say.
        v_time := (
            select o.created_at from operations as o
            where o.wallet_id = p_wallet_id and o.seq >= v_middle
            order by o.seq
            limit 1
        );
        if v_time < p_time then
            v_low := v_middle + 1;
        else
            v_high := v_middle;
        end if;
    end loop;
    return v_low;
end;
$$;

comment on function wallet._first_seq_since(uuid, timestamptz) is
'The seq of a wallet''s first operation at or after a time.';

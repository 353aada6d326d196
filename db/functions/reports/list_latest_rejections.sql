-- The newest remembered refusals of all wallets, newest first, each with its wallet's name and currency. There is no
-- index that has them in order of time; they are in the last blocks of the table, which only grows.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_latest_rejections(p_limit integer)
returns table (
    operation_id uuid,
    wallet_id uuid,
    operation_type text,
    amount bigint,
    balance bigint,
    error_code text,
    detail text,
    idempotency_key text,
    created_at timestamptz,
    name text,
    currency text,
    decimals smallint
)
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
-- By the blocks, and each wallet by its id, whatever the statistics say.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
as $$
#variable_conflict use_column
declare
    v_blocks constant bigint := pg_relation_size('rejections') / current_setting('block_size')::bigint;
    -- Blocks that were filled at once are no further apart, nor are more left empty by a crash, as a rule.
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
        select
            o.id,
            o.wallet_id,
            o.operation_type,
            o.amount,
            o.balance,
            o.error_code,
            o.detail,
            o.idempotency_key,
            o.created_at,
            w.name,
            w.currency,
            c.decimals
        from (
            select n.*
            from rejections as n
            where n.ctid >= v_from
            order by n.created_at desc, n.wallet_id desc, n.id desc
            limit p_limit
        ) as o
        join wallets as w on o.wallet_id = w.id
        join currencies as c on w.currency = c.code
        order by o.created_at desc, o.wallet_id desc, o.id desc;
end;
$$;

comment on function wallet.list_latest_rejections(integer) is
'The newest remembered refusals of all wallets, newest first, with the wallet''s name and currency; raises WA015.';

grant execute on function wallet.list_latest_rejections(integer) to wallet_app, wallet_reader;

-- Derives a wallet anew from its operations and returns a row for every invariant that does not hold: no row when it is
-- sound. seq says which operation breaks it, null where it is the wallet's own row.
--
--   seq_gapless          the operations are numbered 1, 2, 3, …
--   balance_after_exact  each balance_after is the one before plus a deposit or minus a withdrawal
--   time_not_backwards   no created_at is before the one of the previous operation
--   id_of_key            each id is the one made of the wallet and the idempotency key
--   balance_exact        the wallet's balance is the newest balance_after, 0 without operations
--   last_seq_exact       the wallet's last_seq is the newest seq, 0 without operations
--
-- Locks:  nothing: the wallet and its operations are read in one statement, as of one moment.
-- Raises: WA001 wallet_not_found
create or replace function wallet.verify_wallet(p_wallet_id uuid)
returns table (invariant text, seq bigint, expected text, found text)
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
-- A plan lasts as long as a session: one made while the tables were small has to be good when they are large.
set enable_seqscan = off
as $$
#variable_conflict use_column
begin
    perform get_balance(p_wallet_id);
    return query
        with history as (
            select
                o.seq,
                row_number() over by_seq as place,
                o.balance_after,
                -- numeric, so that a forged amount is reported instead of raising an overflow
                lag(o.balance_after, 1, 0::bigint) over by_seq::numeric
                + case o.operation_type when 'DEPOSIT' then o.amount else -o.amount end as derived_balance,
                o.created_at,
                lag(o.created_at, 1, o.created_at) over by_seq as previous_created_at,
                o.id,
                _operation_id(o.wallet_id, o.idempotency_key) as derived_id
            from operations as o
            where o.wallet_id = p_wallet_id
            window by_seq as (order by o.seq)
        ),

        newest as (
            select o.seq, o.balance_after
            from operations as o
            where o.wallet_id = p_wallet_id
            order by o.seq desc
            limit 1
        )

        select v.invariant, h.seq, v.expected, v.found
        from history as h
        cross join lateral (
            values
            ('seq_gapless', h.place::text, h.seq::text),
            ('balance_after_exact', h.derived_balance::text, h.balance_after::text),
            ('id_of_key', h.derived_id::text, h.id::text)
        ) as v (invariant, expected, found)
        where (h.place <> h.seq or h.derived_balance <> h.balance_after or h.derived_id <> h.id)
            and v.expected <> v.found
        union all
        select 'time_not_backwards', h.seq, 'at or after ' || h.previous_created_at, h.created_at::text
        from history as h
        where h.created_at < h.previous_created_at
        union all
        select v.invariant, null, v.expected, v.found
        from wallets as w
        left join newest as n on true
        cross join lateral (
            values
            ('balance_exact', coalesce(n.balance_after, 0)::text, w.balance::text),
            ('last_seq_exact', coalesce(n.seq, 0)::text, w.last_seq::text)
        ) as v (invariant, expected, found)
        where w.id = p_wallet_id
            and v.expected <> v.found;
end;
$$;

comment on function wallet.verify_wallet(uuid) is
'A row for every invariant of a wallet and its operations that does not hold, none when sound; raises WA001.';

grant execute on function wallet.verify_wallet(uuid) to wallet_app, wallet_reader;

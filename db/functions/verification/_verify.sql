-- Derives wallets anew from their operations: a row per wallet, with how many operations it says it has and an array of
-- what verify_wallet finds. All are read in one statement, as of one moment.
create or replace function wallet._verify(p_wallet_ids uuid[])
returns table (wallet_id uuid, operations bigint, findings jsonb)
language sql
stable
as $$
    select w.id, w.last_seq, coalesce(f.findings, '[]')
    from unnest(p_wallet_ids) as i (id)
    join wallets as w on i.id = w.id
    left join lateral (
        select o.seq, o.balance_after
        from operations as o
        where o.wallet_id = w.id
        order by o.seq desc
        limit 1
    ) as n on true
    -- One pass over the operations, in the order of the primary key: nothing is sorted, and nothing is kept but findings.
    left join lateral (
        select
            jsonb_agg(
                jsonb_build_object('invariant', v.invariant, 'seq', v.seq, 'expected', v.expected, 'found', v.found)
                order by v.seq, v.index
            ) as findings
        from (
            select r.index, h.seq, r.invariant, r.expected, r.found
            from (
                select
                    o.seq,
                    row_number() over by_seq as number,
                    o.balance_after,
                    -- numeric: a forged amount is reported instead of raising an overflow. Null for an unknown type.
                    lag(o.balance_after, 1, 0::bigint) over by_seq::numeric
                    + case _operation_sign(o.operation_type)
                        when 1 then o.amount::numeric
                        when -1 then -o.amount::numeric
                    end as derived_balance,
                    o.created_at,
                    lag(o.created_at, 1, o.created_at) over by_seq as previous_created_at,
                    o.id,
                    _operation_id(o.wallet_id, o.idempotency_key) as derived_id
                from operations as o
                where o.wallet_id = w.id
                window by_seq as (order by o.seq)
            ) as h
            cross join lateral (
                select
                    h.number <> h.seq as is_gap,
                    h.derived_balance is distinct from h.balance_after as is_wrong_balance,
                    h.derived_id <> h.id as is_wrong_id,
                    h.created_at < h.previous_created_at as is_backwards
            ) as b
            cross join lateral (
                values
                (1, 'seq_gapless', b.is_gap, h.number::text, h.seq::text),
                (
                    2,
                    'balance_after_exact',
                    b.is_wrong_balance,
                    coalesce(h.derived_balance::text, 'a known operation_type'),
                    h.balance_after::text
                ),
                (3, 'id_of_key', b.is_wrong_id, h.derived_id::text, h.id::text),
                (4, 'time_not_backwards', b.is_backwards, 'at or after ' || h.previous_created_at, h.created_at::text)
            ) as r (index, invariant, is_broken, expected, found)
            -- The texts are built only for an operation that breaks something.
            where (b.is_gap or b.is_wrong_balance or b.is_wrong_id or b.is_backwards) and r.is_broken
            union all
            select r.index, null, r.invariant, r.expected::text, r.found::text
            from (
                values
                (5, 'balance_exact', coalesce(n.balance_after, 0), w.balance),
                (6, 'last_seq_exact', coalesce(n.seq, 0), w.last_seq)
            ) as r (index, invariant, expected, found)
            where r.expected <> r.found
        ) as v
    ) as f on true
$$;

comment on function wallet._verify(uuid[]) is
'Derives wallets anew from their operations: how many operations each has, and what is wrong with it.';

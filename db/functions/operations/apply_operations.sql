-- Applies many operations in one transaction: the same rules and results as apply_operation, one item after the other
-- within a wallet, but each wallet is locked and written once. Items are independent: a rejected one takes nothing, is
-- reported in its row, and the next one on the same wallet is judged without it. Amounts are minor units.
--
-- The arguments are parallel arrays. Every item must have an idempotency key, so that any part of a call can be sent
-- again after a lost connection. A key that was used before, in an earlier call or earlier in this one, returns the
-- first result again with replayed = true. That holds for rejections by a money rule too (WA002, WA005, WA006): they
-- are written to rejections. Other errors leave no trace.
--
-- Returns a row per item, in the order of the items: position is the caller's own (p_positions) or else the item's
-- index from 1; status is SUCCESS, or REJECTED with the SQLSTATE in error_code and the reason in detail; new_balance is
-- the wallet's balance after the item, null when the wallet was not found or the item was malformed.
--
-- Rejects: WA001 wallet_not_found          WA002 insufficient_funds
--          WA003 invalid_amount            WA004 invalid_operation_type
--          WA005 balance_limit_exceeded    WA006 wallet_not_active
--          WA007 idempotency_key_reused    WA008 invalid_idempotency_key
--
-- Locks:  the rows of the wallets, in the order of their ids, until the transaction ends.
-- Raises: 2202E array_subscript_error unless the arrays are one-dimensional and of equal length, 22004 when the first
--         is null. Never for an item.
create or replace function wallet.apply_operations(
    p_wallet_ids uuid[],
    p_operation_types text[],
    p_amounts bigint[],
    p_idempotency_keys text[],
    p_positions integer[] default null
)
returns setof wallet.operation_result
language plpgsql
security definer
set search_path = wallet, pg_temp
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_count constant integer := cardinality(p_wallet_ids);
    v_shape constant text := '[1:' || v_count || ']';
    -- by an item's index: its id, and the first item of the call with that id, where any have the same
    v_ids uuid[];
    v_first_indexes integer[];
    -- the locked wallets in the order of their ids, as the items so far leave them, and where their rows are
    v_wallets wallets[];
    v_tids tid[];
    v_now timestamptz;
    v_are_rejections boolean;
    -- what the loop is at
    v_item record;
    v_index integer;
    v_first_index integer;
    v_wallet_index integer := 1;
    v_wallet_id uuid;
    v_wallet wallets;
    v_error text;
    -- by an item's index: its result
    v_balances bigint[];
    v_seqs bigint[];
    v_times timestamptz[];
    v_errors text[];
    v_details text[];
    v_replayed boolean[];
    -- the indexes of the items to write
    v_applied integer[] := array[]::integer[];
    v_rejected integer[] := array[]::integer[];
begin
    if v_count is distinct from cardinality(p_operation_types)
        or v_count is distinct from cardinality(p_amounts)
        or v_count is distinct from cardinality(p_idempotency_keys)
        or v_count <> cardinality(p_positions)
        -- Indexes serve as subscripts below. An empty array has no dimensions.
        or array_dims(p_wallet_ids) <> v_shape
        or array_dims(p_operation_types) <> v_shape
        or array_dims(p_amounts) <> v_shape
        or array_dims(p_idempotency_keys) <> v_shape
        or array_dims(p_positions) <> v_shape
    then
        raise exception 'arrays must be one-dimensional and of equal length' using errcode = 'array_subscript_error';
    end if;

    -- ONE ITEM. The function for one is three times as fast. What it rejects is judged again, and remembered, below.
    if v_count = 1 and p_idempotency_keys[1] is not null then
        begin
            return query
                select
                    coalesce(p_positions[1], 1),
                    a.operation_id,
                    a.status,
                    a.operation_type,
                    a.amount,
                    a.new_balance,
                    a.seq,
                    a.replayed,
                    a.created_at,
                    null::text,
                    null::text
                from apply_operation(p_wallet_ids[1], p_operation_types[1], p_amounts[1], p_idempotency_keys[1]) as a;
            return;
        exception
            when others then
                if sqlstate not like 'WA%' then
                    raise;
                end if;
        end;
    end if;

    -- IDENTIFY: an id for each well-formed item. Lists are read by unnest in the select list, which is twice as fast as
    -- in the from clause: there each of them is first stored as a table.
    v_ids := array(
        select case
            when _request_error(u.wallet_id, u.operation_type, u.amount) is null and _is_idempotency_key(u.key)
                then _operation_id(u.wallet_id, u.key)
        end
        from (
            select
                unnest(p_wallet_ids) as wallet_id,
                unnest(p_operation_types) as operation_type,
                unnest(p_amounts) as amount,
                unnest(p_idempotency_keys) as key
        ) as u
    );
    if (select count(distinct u.id) < count(u.id) from unnest(v_ids) as u (id)) then
        v_first_indexes := array(
            select min(u.index) over (partition by u.wallet_id, u.id)
            from unnest(p_wallet_ids, v_ids) with ordinality as u (wallet_id, id, index)
            order by u.index
        );
    end if;

    -- LOCK, then look, in two statements: one that has waited for a row still reads other tables as they were before.
    select array_agg(l.wallet), array_agg(l.tid)
    into v_wallets, v_tids
    from (
        select w as wallet, w.ctid as tid from wallets as w where w.id = any(p_wallet_ids) order by w.id for no key update
    ) as l;
    v_now := clock_timestamp();
    -- Few wallets have rejections: where none of these has, no item is looked up there.
    v_are_rejections := exists (select from rejections as r where r.wallet_id = any(p_wallet_ids));

    -- JUDGE wallet by wallet, in the order of the call: an item is applied to v_wallet, replayed or rejected.
    v_balances := array_fill(null::bigint, array[v_count]);
    v_seqs := array_fill(null::bigint, array[v_count]);
    v_times := array_fill(null::timestamptz, array[v_count]);
    v_errors := array_fill(null::text, array[v_count]);
    v_details := array_fill(null::text, array[v_count]);
    v_replayed := array_fill(false, array[v_count]);
    for v_item in
        select
            u.index,
            u.wallet_id,
            u.operation_type,
            u.amount,
            u.id,
            f.operation_type as first_operation_type,
            f.amount as first_amount,
            f.balance as first_balance,
            f.seq as first_seq,
            f.created_at as first_created_at,
            f.error_code as first_error_code,
            f.detail as first_detail
        from (
            select
                generate_subscripts(p_wallet_ids, 1) as index,
                unnest(p_wallet_ids) as wallet_id,
                unnest(p_operation_types) as operation_type,
                unnest(p_amounts) as amount,
                unnest(v_ids) as id
        ) as u
        left join lateral (
            select
                o.operation_type,
                o.amount,
                o.balance_after as balance,
                o.seq,
                o.created_at,
                null as error_code,
                null as detail
            from operations as o
            where o.wallet_id = u.wallet_id and o.id = u.id
            union all
            select r.operation_type, r.amount, r.balance, null, null, r.error_code, r.detail
            from rejections as r
            where v_are_rejections and r.wallet_id = u.wallet_id and r.id = u.id
            limit 1
        ) as f on true
        order by u.wallet_id, u.index
    loop
        v_index := v_item.index;
        if v_item.wallet_id is distinct from v_wallet_id then
            if v_wallet.id is not null then
                v_wallets[v_wallet_index] := v_wallet;
                v_wallet_index := v_wallet_index + 1;
            end if;
            v_wallet_id := v_item.wallet_id;
            v_wallet := v_wallets[v_wallet_index];
            if v_wallet.id <> v_wallet_id then
                v_wallet := null; -- not found: the next one that was
            end if;
            v_wallet.updated_at := greatest(v_now, v_wallet.updated_at);
        end if;

        -- What nearly every item is goes first, in one expression: each costs as much as a tenth of an item.
        if v_item.id is not null
            and v_item.first_amount is null
            and (v_first_indexes is null or v_first_indexes[v_index] = v_index)
            and v_wallet.id is not null
            and _rule_error(v_item.operation_type, v_item.amount, v_wallet.status, v_wallet.balance, v_wallet.held) is null
        then
            v_wallet.balance := _balance_after(v_wallet.balance, v_item.operation_type, v_item.amount);
            v_wallet.last_seq := v_wallet.last_seq + 1;
            v_balances[v_index] := v_wallet.balance;
            v_seqs[v_index] := v_wallet.last_seq;
            v_times[v_index] := v_wallet.updated_at;
            v_applied := v_applied || v_index;
            continue;
        end if;

        v_first_index := v_first_indexes[v_index];
        if v_item.first_amount is null and v_first_index < v_index then
            v_item.first_operation_type := p_operation_types[v_first_index];
            v_item.first_amount := p_amounts[v_first_index];
            v_item.first_balance := v_balances[v_first_index];
            v_item.first_seq := v_seqs[v_first_index];
            v_item.first_created_at := v_times[v_first_index];
            v_item.first_error_code := v_errors[v_first_index];
            v_item.first_detail := v_details[v_first_index];
        end if;

        if v_item.id is null then
            v_error := coalesce(_request_error(v_item.wallet_id, v_item.operation_type, v_item.amount), 'WA008');
        elsif v_wallet.id is null then
            v_error := 'WA001';
        elsif v_item.first_amount is null then
            v_error := _rule_error(
                v_item.operation_type, v_item.amount, v_wallet.status, v_wallet.balance, v_wallet.held
            );
            v_rejected := v_rejected || v_index;
        elsif _is_same_request(
            v_item.first_operation_type, v_item.first_amount, v_item.operation_type, v_item.amount
        ) then
            v_balances[v_index] := v_item.first_balance;
            v_seqs[v_index] := v_item.first_seq;
            v_times[v_index] := v_item.first_created_at;
            v_errors[v_index] := v_item.first_error_code;
            v_details[v_index] := v_item.first_detail;
            v_replayed[v_index] := true;
            continue;
        else
            v_error := 'WA007';
        end if;
        v_balances[v_index] := case when v_item.id is not null then v_wallet.balance end;
        v_errors[v_index] := v_error;
        v_details[v_index] := _rejection_detail(
            v_error,
            v_item.wallet_id,
            v_item.operation_type,
            v_item.amount,
            v_wallet.balance,
            v_wallet.held,
            v_wallet.status
        );
    end loop;
    if v_wallet.id is not null then
        v_wallets[v_wallet_index] := v_wallet;
    end if;

    -- WRITE. The rows are locked, so they are still where they were found: no index is searched for them again.
    -- A plain = between the ids would let a plan from when the table was small search one from end to end.
    update wallets as w
    set balance = (c.wallet).balance, last_seq = (c.wallet).last_seq, updated_at = (c.wallet).updated_at
    from (select unnest(v_wallets) as wallet, unnest(v_tids) as tid) as c
    where w.ctid = c.tid and w.id is not distinct from (c.wallet).id and w.last_seq < (c.wallet).last_seq;

    insert into operations (
        wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key
    )
    select
        p_wallet_ids[a.index],
        v_seqs[a.index],
        v_ids[a.index],
        p_amounts[a.index],
        v_balances[a.index],
        v_times[a.index],
        p_operation_types[a.index],
        p_idempotency_keys[a.index]
    from unnest(v_applied) as a (index);

    if v_rejected <> '{}' then
        insert into rejections (
            wallet_id, id, amount, balance, created_at, operation_type, idempotency_key, error_code, detail
        )
        select
            p_wallet_ids[r.index],
            v_ids[r.index],
            p_amounts[r.index],
            v_balances[r.index],
            v_now,
            p_operation_types[r.index],
            p_idempotency_keys[r.index],
            v_errors[r.index],
            v_details[r.index]
        from unnest(v_rejected) as r (index);
    end if;

    -- RETURN.
    return query
        select
            coalesce(i."position", i.index),
            case when i.error is null then i.id end,
            case when i.error is null then 'SUCCESS' else 'REJECTED' end,
            i.operation_type,
            i.amount,
            i.balance,
            i.seq,
            i.replayed,
            i.time,
            i.error,
            i.detail
        from (
            select
                unnest(p_positions) as "position",
                generate_subscripts(p_wallet_ids, 1) as index,
                unnest(v_ids) as id,
                unnest(p_operation_types) as operation_type,
                unnest(p_amounts) as amount,
                unnest(v_balances) as balance,
                unnest(v_seqs) as seq,
                unnest(v_replayed) as replayed,
                unnest(v_times) as time,
                unnest(v_errors) as error,
                unnest(v_details) as detail
        ) as i;
end;
$$;

comment on function wallet.apply_operations(uuid[], text[], bigint[], text[], integer[]) is
'Applies many operations, each wallet locked and written once; a row per item, the rejected ones too.';

grant execute on function wallet.apply_operations(uuid[], text[], bigint[], text[], integer[]) to wallet_app;

-- Applies many operations in one go: the same rules and answers as apply_operation, one item after the other within a
-- wallet, but each wallet is locked and settled once. Items are independent: a refused one takes nothing, is reported
-- in its row, and the next one on the same wallet is judged without it. Amounts are minor units.
--
-- The arguments are parallel arrays. Every item has to have an idempotency key, so that any part of a call can be sent
-- again after a lost connection. A key that was used before, in an earlier call or earlier in this one, gives the first
-- answer again with replayed = true. That holds for refusals by a money rule too (WA002, WA005, WA006): they are
-- written to rejections. Other refusals leave no trace.
--
-- Returns a row per item, in the order of the items: position is the caller's own (p_positions) or else the item's
-- place from 1; status is SUCCESS, or REJECTED with the SQLSTATE in error_code and the reason in detail; new_balance is
-- the wallet's balance after the item, null when there is no such wallet or the item was malformed.
--
-- Refuses: WA001 wallet_not_found          WA002 insufficient_funds
--          WA003 invalid_amount            WA004 invalid_operation_type
--          WA005 balance_limit_exceeded    WA006 wallet_not_active
--          WA007 idempotency_key_reused    WA008 invalid_idempotency_key
--
-- Locks:  the rows of the wallets, in the order of their ids, until the transaction ends.
-- Raises: 2202E array_subscript_error unless the arrays are plain lists of one length, 22004 when the first is null.
--         Never for an item.
create or replace function wallet.apply_operations(
    p_wallet_ids uuid[],
    p_operation_types text[],
    p_amounts bigint[],
    p_idempotency_keys text[],
    p_positions integer[] default null
)
returns table (
    "position" integer,
    operation_id uuid,
    status text,
    operation_type text,
    amount bigint,
    new_balance bigint,
    seq bigint,
    replayed boolean,
    created_at timestamptz,
    error_code text,
    detail text
)
language plpgsql
security definer
set search_path = wallet, pg_temp
-- One plan for all lengths of the arrays and all sizes of the tables: probe the indexes. It lasts as long as a session:
-- one made while the tables were small has to be good when they are large.
set plan_cache_mode = force_generic_plan
set enable_hashjoin = off
set enable_mergejoin = off
set enable_material = off
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_max constant bigint := 9223372036854775807;
    v_count constant integer := cardinality(p_wallet_ids);
    v_shape constant text := '[1:' || v_count || ']';
    v_now timestamptz;
    v_are_rejections boolean;
    v_item record;
    v_place integer;
    v_first_place integer;
    v_error text;
    -- what an item's key was used for in an earlier call
    v_operation operations;
    v_rejection rejections;
    -- the wallets as the items so far leave them, by their ids; where their rows are; and the one that the loop is at
    v_wallets wallets[];
    v_tids tid[];
    v_next integer := 1;
    v_wallet_id uuid;
    v_wallet wallets;
    -- what each item's key stands for, by its place; and the first item with that key, where any have the same
    v_ids uuid[];
    v_first_places integer[];
    -- what becomes of each item, by its place
    v_balances bigint[];
    v_seqs bigint[];
    v_times timestamptz[];
    v_errors text[];
    v_details text[];
    v_replayed boolean[];
    v_applied integer[] := array[]::integer[];
    v_rejected integer[] := array[]::integer[];
begin
    if v_count is distinct from cardinality(p_operation_types)
        or v_count is distinct from cardinality(p_amounts)
        or v_count is distinct from cardinality(p_idempotency_keys)
        or v_count <> cardinality(p_positions)
        -- The places of the items serve as subscripts below. An empty array has no dimensions.
        or array_dims(p_wallet_ids) <> v_shape
        or array_dims(p_operation_types) <> v_shape
        or array_dims(p_amounts) <> v_shape
        or array_dims(p_idempotency_keys) <> v_shape
        or array_dims(p_positions) <> v_shape
    then
        raise exception 'the arrays have to be lists of one length' using errcode = 'array_subscript_error';
    end if;

    -- A single item: the function for one is three times as fast. What it refuses is judged anew, and remembered, below.
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
            when sqlstate 'WA001' or sqlstate 'WA002' or sqlstate 'WA003' or sqlstate 'WA004'
                or sqlstate 'WA005' or sqlstate 'WA006' or sqlstate 'WA007' or sqlstate 'WA008'
            then
                null;
        end;
    end if;

    v_balances := array_fill(null::bigint, array[v_count]);
    v_seqs := array_fill(null::bigint, array[v_count]);
    v_times := array_fill(null::timestamptz, array[v_count]);
    v_errors := array_fill(null::text, array[v_count]);
    v_details := array_fill(null::text, array[v_count]);
    v_replayed := array_fill(false, array[v_count]);

    -- null marks an item that is malformed. Lists are read by unnest in the select list, which is twice as fast here as
    -- in the from clause: there each of them is first stored as a table.
    v_ids := array(
        select
            case
                when u.amount > 0
                    and u.operation_type in ('DEPOSIT', 'WITHDRAW')
                    and u.key <> ''
                    and octet_length(u.key) <= 255
                    and u.key !~ '[^!-~]'
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
        v_first_places := array(
            select min(u.place) over (partition by u.wallet_id, u.id)
            from unnest(p_wallet_ids, v_ids) with ordinality as u (wallet_id, id, place)
            order by u.place
        );
    end if;

    -- Lock first, look afterwards, in two statements: a statement that has waited for a row still reads other tables as
    -- they were before it waited.
    select array_agg(l.wallet), array_agg(l.tid)
    into v_wallets, v_tids
    from (
        select w as wallet, w.ctid as tid from wallets as w where w.id = any(p_wallet_ids) order by w.id for no key update
    ) as l;
    v_now := clock_timestamp();
    -- Few wallets were ever refused anything: where none of these was, no item has to be looked for.
    v_are_rejections := exists (select from rejections as r where r.wallet_id = any(p_wallet_ids));

    for v_item in
        select u.place, u.wallet_id, u.operation_type, u.amount, u.id, o.operation, r.rejection
        from (
            select
                generate_subscripts(p_wallet_ids, 1) as place,
                unnest(p_wallet_ids) as wallet_id,
                unnest(p_operation_types) as operation_type,
                unnest(p_amounts) as amount,
                unnest(v_ids) as id
        ) as u
        left join lateral (
            select f as operation from operations as f where f.wallet_id = u.wallet_id and f.id = u.id limit 1
        ) as o on true
        left join lateral (
            select f as rejection
            from rejections as f
            where v_are_rejections and f.wallet_id = u.wallet_id and f.id = u.id
            limit 1
        ) as r on true
        order by u.wallet_id, u.place
    loop
        v_place := v_item.place;
        if v_item.wallet_id is distinct from v_wallet_id then
            if v_wallet.id is not null then
                v_wallets[v_next] := v_wallet;
                v_next := v_next + 1;
            end if;
            v_wallet_id := v_item.wallet_id;
            v_wallet := v_wallets[v_next];
            if v_wallet.id <> v_wallet_id then
                v_wallet := null; -- there is none with this id
            end if;
            v_wallet.updated_at := greatest(v_now, v_wallet.updated_at);
        end if;

        if v_item.operation is null
            and v_item.rejection is null
            and v_item.id is not null
            and v_wallet.status = 'ACTIVE'
            and (v_first_places is null or v_first_places[v_place] = v_place)
            and (case v_item.operation_type
                when 'DEPOSIT' then v_wallet.balance <= v_max - v_item.amount
                else v_wallet.balance - v_wallet.held >= v_item.amount
            end)
        then
            v_wallet.balance := v_wallet.balance
                + case v_item.operation_type when 'DEPOSIT' then v_item.amount else -v_item.amount end;
            v_wallet.last_seq := v_wallet.last_seq + 1;
            v_balances[v_place] := v_wallet.balance;
            v_seqs[v_place] := v_wallet.last_seq;
            v_times[v_place] := v_wallet.updated_at;
            v_applied := v_applied || v_place;
            continue;
        end if;

        v_first_place := v_first_places[v_place];
        if v_item.id is null then
            v_error := case
                when v_item.amount is null or v_item.amount <= 0 then 'WA003'
                when v_item.operation_type is null or v_item.operation_type not in ('DEPOSIT', 'WITHDRAW') then 'WA004'
                when v_item.wallet_id is null then 'WA001'
                else 'WA008'
            end;
        elsif v_wallet.id is null then
            v_error := 'WA001';
        elsif v_item.operation is not null or v_item.rejection is not null then
            v_operation := v_item.operation;
            v_rejection := v_item.rejection;
            if coalesce(v_operation.operation_type, v_rejection.operation_type) <> v_item.operation_type
                or coalesce(v_operation.amount, v_rejection.amount) <> v_item.amount
            then
                v_error := 'WA007';
            else
                v_balances[v_place] := coalesce(v_operation.balance_after, v_rejection.balance);
                v_seqs[v_place] := v_operation.seq;
                v_times[v_place] := v_operation.created_at;
                v_errors[v_place] := v_rejection.error_code;
                v_details[v_place] := v_rejection.detail;
                v_replayed[v_place] := true;
                continue;
            end if;
        elsif v_first_place < v_place then
            if p_operation_types[v_first_place] <> v_item.operation_type
                or p_amounts[v_first_place] <> v_item.amount
            then
                v_error := 'WA007';
            else
                v_balances[v_place] := v_balances[v_first_place];
                v_seqs[v_place] := v_seqs[v_first_place];
                v_times[v_place] := v_times[v_first_place];
                v_errors[v_place] := v_errors[v_first_place];
                v_details[v_place] := v_details[v_first_place];
                v_replayed[v_place] := true;
                continue;
            end if;
        else
            v_error := case
                when v_wallet.status <> 'ACTIVE' then 'WA006'
                when v_item.operation_type = 'WITHDRAW' then 'WA002'
                else 'WA005'
            end;
            v_rejected := v_rejected || v_place;
        end if;

        v_balances[v_place] := case when v_item.id is not null then v_wallet.balance end;
        v_errors[v_place] := v_error;
        v_details[v_place] := _refusal_detail(
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
        v_wallets[v_next] := v_wallet;
    end if;

    -- The rows are locked, so they are still where they were found: no index has to be searched for them again.
    -- A plain = between the ids would let a plan that was made while the table was small search one from end to end.
    update wallets as w
    set balance = (s.wallet).balance, last_seq = (s.wallet).last_seq, updated_at = (s.wallet).updated_at
    from (select unnest(v_wallets) as wallet, unnest(v_tids) as tid) as s
    where w.ctid = s.tid and w.id is not distinct from (s.wallet).id and w.last_seq < (s.wallet).last_seq;

    insert into operations (
        wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key
    )
    select
        p_wallet_ids[a.place],
        v_seqs[a.place],
        v_ids[a.place],
        p_amounts[a.place],
        v_balances[a.place],
        v_times[a.place],
        p_operation_types[a.place],
        p_idempotency_keys[a.place]
    from unnest(v_applied) as a (place);

    if v_rejected <> '{}' then
        insert into rejections (
            wallet_id, id, amount, balance, created_at, operation_type, idempotency_key, error_code, detail
        )
        select
            p_wallet_ids[a.place],
            v_ids[a.place],
            p_amounts[a.place],
            v_balances[a.place],
            v_now,
            p_operation_types[a.place],
            p_idempotency_keys[a.place],
            v_errors[a.place],
            v_details[a.place]
        from unnest(v_rejected) as a (place);
    end if;

    return query
        select
            coalesce(a."position", a.place),
            case when a.error is null then a.id end,
            case when a.error is null then 'SUCCESS' else 'REJECTED' end,
            a.operation_type,
            a.amount,
            a.balance,
            a.seq,
            a.replayed,
            a.time,
            a.error,
            a.detail
        from (
            select
                unnest(p_positions) as "position",
                generate_subscripts(p_wallet_ids, 1) as place,
                unnest(v_ids) as id,
                unnest(p_operation_types) as operation_type,
                unnest(p_amounts) as amount,
                unnest(v_balances) as balance,
                unnest(v_seqs) as seq,
                unnest(v_replayed) as replayed,
                unnest(v_times) as time,
                unnest(v_errors) as error,
                unnest(v_details) as detail
        ) as a;
end;
$$;

comment on function wallet.apply_operations(uuid[], text[], bigint[], text[], integer[]) is
'Applies many operations, each wallet locked and settled once; a row per item, the refused ones too.';

grant execute on function wallet.apply_operations(uuid[], text[], bigint[], text[], integer[]) to wallet_app;

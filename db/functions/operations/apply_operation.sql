-- Applies one deposit or withdrawal to a wallet and writes it to the ledger: one update and one insert, in one
-- statement. Either both happen or the call raises and nothing has changed. Amounts are minor units.
--
-- With an idempotency key the call is safe to repeat: the same key with the same type and amount returns the first
-- result again, with replayed = true, and moves nothing. Without one, every call is an operation of its own. A
-- rejection that apply_operations remembered under a key is raised again; this function itself cannot remember one,
-- because what it would write is rolled back with the transaction that it fails.
--
-- Locks:  the wallet's row, until the transaction ends. A transaction that moves money in several wallets should call
--         in the order of the wallets' ids: otherwise two of them can deadlock (40P01).
-- Raises: WA001 wallet_not_found            WA002 insufficient_funds
--         WA003 invalid_amount              WA004 invalid_operation_type
--         WA005 balance_limit_exceeded      WA006 wallet_not_active
--         WA007 idempotency_key_reused      WA008 invalid_idempotency_key
create or replace function wallet.apply_operation(
    p_wallet_id uuid,
    p_operation_type text,
    p_amount bigint,
    p_idempotency_key text default null,
    out operation_id uuid,
    out status text,
    out operation_type text,
    out amount bigint,
    out new_balance bigint,
    out seq bigint,
    out replayed boolean,
    out created_at timestamptz
)
language plpgsql
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    v_id uuid;
    v_first_error text;
    v_first_detail text;
    v_wallet wallets;
    v_error text;
begin
    if p_idempotency_key is null then
        null; -- generated below
    elsif not _is_idempotency_key(p_idempotency_key) then
        v_error := 'WA008';
    else
        v_id := _operation_id(p_wallet_id, p_idempotency_key);
        -- Two calls with one key: the later waits here, then sees what the earlier did. Lock and look are two
        -- statements, because a statement that has waited for a row still reads other tables as they were.
        perform from wallets as w where w.id = p_wallet_id for no key update;
        select f.* into operation_type, amount, new_balance, seq, created_at, v_first_error, v_first_detail, replayed
        from (
            select o.operation_type, o.amount, o.balance_after, o.seq, o.created_at, null, null, true
            from operations as o
            where o.wallet_id = p_wallet_id and o.id = v_id
            union all
            select r.operation_type, r.amount, r.balance, null, r.created_at, r.error_code, r.detail, true
            from rejections as r
            where r.wallet_id = p_wallet_id and r.id = v_id
        ) as f;
        if not found then
            null;
        elsif not _is_same_request(operation_type, amount, p_operation_type, p_amount) then
            v_error := 'WA007';
        elsif v_first_error is not null then
            raise exception '%', v_first_detail using errcode = v_first_error;
        else
            operation_id := v_id;
            status := 'SUCCESS';
            return;
        end if;
    end if;

    loop
        -- A statement that had to wait for the row computes anew from what it then finds, the clock included: so
        -- created_at never runs backwards within a wallet, and no update is lost. All rules are in this one statement,
        -- because each expression of PL/pgSQL costs a transaction about as much as a row's index entry.
        with applied as (
            update wallets as w
            set balance = _balance_after(w.balance, p_operation_type, p_amount),
                last_seq = w.last_seq + 1,
                updated_at = greatest(clock_timestamp(), w.updated_at)
            where w.id = p_wallet_id
                and coalesce(
                    v_error,
                    _request_error(p_wallet_id, p_operation_type, p_amount),
                    _rule_error(p_operation_type, p_amount, w.status, w.balance, w.held)
                ) is null
            returning w.balance, w.last_seq, w.updated_at, coalesce(p_idempotency_key, gen_random_uuid()::text) as key
        )

        insert into operations as o (
            wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key
        )
        select
            p_wallet_id,
            a.last_seq,
            coalesce(v_id, _operation_id(p_wallet_id, a.key)),
            p_amount,
            a.balance,
            a.updated_at,
            p_operation_type,
            a.key
        from applied as a
        returning o.id, 'SUCCESS', o.operation_type, o.amount, o.balance_after, o.seq, false, o.created_at
        into operation_id, status, operation_type, amount, new_balance, seq, replayed, created_at;
        if found then
            return;
        end if;

        -- Rejected, but why? The wallet may have changed in between: then no rule says, and it is tried once more, under
        -- the lock. A second time, the rules contradict each other.
        exit when v_wallet.id is not null;
        select * into v_wallet from wallets as w where w.id = p_wallet_id for no key update;
        v_error := coalesce(
            _request_error(p_wallet_id, p_operation_type, p_amount),
            v_error,
            case when v_wallet.id is null then 'WA001' end,
            _rule_error(p_operation_type, p_amount, v_wallet.status, v_wallet.balance, v_wallet.held)
        );
        if v_error is not null then
            raise exception '%', _rejection_detail(
                v_error, p_wallet_id, p_operation_type, p_amount, v_wallet.balance, v_wallet.held, v_wallet.status
            ) using errcode = v_error;
        end if;
    end loop;
    raise exception 'operation neither applied nor rejected by a rule' using errcode = 'assert_failure';
end;
$$;

comment on function wallet.apply_operation(uuid, text, bigint, text) is
'Applies a DEPOSIT or WITHDRAW of p_amount minor units; raises WA001 to WA008. Safe to repeat with a key.';

grant execute on function wallet.apply_operation(uuid, text, bigint, text) to wallet_app;

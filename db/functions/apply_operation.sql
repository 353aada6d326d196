-- Applies one deposit or withdrawal to a wallet and writes it to the ledger: one update and one insert, in one
-- statement. Either both happen or the call raises and nothing has changed. Amounts are minor units.
--
-- With an idempotency key the call is safe to repeat: the same key with the same type and amount gives the first answer
-- again, with replayed = true, and moves nothing. Without one, every call is an operation of its own. A refusal that
-- apply_operations remembered under a key is raised again; this function itself cannot remember one, because what it
-- would write is rolled back with the transaction that it fails.
--
-- Locks:  the wallet's row, until the transaction ends. Whoever moves money in several wallets in one transaction
--         should call in the order of the wallets' ids, or two such transactions can deadlock (40P01).
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
as $$
#variable_conflict use_column
declare
    v_max constant bigint := 9223372036854775807;
    v_key text := p_idempotency_key;
    v_id uuid;
    v_delta bigint;
    v_least_available bigint;
    v_most_balance bigint;
    v_wallet wallets;
    v_first record;
    v_error text;
begin
    if p_amount is null or p_amount <= 0 then
        v_error := 'WA003';
    elsif p_operation_type = 'DEPOSIT' then
        v_delta := p_amount;
        v_least_available := 0;
        v_most_balance := v_max - p_amount;
    elsif p_operation_type = 'WITHDRAW' then
        v_delta := -p_amount;
        v_least_available := p_amount;
        v_most_balance := v_max;
    else
        v_error := 'WA004';
    end if;

    if v_error is not null then
        null;
    elsif p_wallet_id is null then
        v_error := 'WA001';
    elsif v_key is null then
        v_key := gen_random_uuid()::text;
        v_id := _operation_id(p_wallet_id, v_key);
    elsif v_key = '' or octet_length(v_key) > 255 or v_key ~ '[^!-~]' then
        v_error := 'WA008';
    else
        v_id := _operation_id(p_wallet_id, v_key);
        -- Two calls with one key: the later waits here, then sees what the earlier did. The lock and the look have to
        -- be two statements, because a statement that has waited for a row still reads other tables as they were.
        perform from wallets as w where w.id = p_wallet_id for no key update;
        select f.* into v_first
        from (
            select o.operation_type, o.amount, o.balance_after, o.seq, o.created_at, null as error_code, null as detail
            from operations as o
            where o.wallet_id = p_wallet_id and o.id = v_id
            union all
            select r.operation_type, r.amount, r.balance, null, r.created_at, r.error_code, r.detail
            from rejections as r
            where r.wallet_id = p_wallet_id and r.id = v_id
        ) as f;
        if found and (v_first.operation_type <> p_operation_type or v_first.amount <> p_amount) then
            v_error := 'WA007';
        elsif found and v_first.error_code is not null then
            raise exception '%', v_first.detail using errcode = v_first.error_code;
        elsif found then
            operation_id := v_id;
            status := 'SUCCESS';
            operation_type := p_operation_type;
            amount := p_amount;
            new_balance := v_first.balance_after;
            seq := v_first.seq;
            replayed := true;
            created_at := v_first.created_at;
            return;
        end if;
    end if;

    while v_error is null loop
        -- A statement that had to wait for the row computes anew from what it then finds, the clock included: so
        -- created_at never runs backwards within a wallet, and no update is lost.
        with settled as (
            update wallets as w
            set balance = w.balance + v_delta,
                last_seq = w.last_seq + 1,
                updated_at = greatest(clock_timestamp(), w.updated_at)
            where w.id = p_wallet_id
                and w.status = 'ACTIVE'
                and w.balance - w.held >= v_least_available
                and w.balance <= v_most_balance
            returning w.balance, w.last_seq, w.updated_at
        )

        insert into operations as o (
            wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key
        )
        select p_wallet_id, s.last_seq, v_id, p_amount, s.balance, s.updated_at, p_operation_type, v_key
        from settled as s
        returning o.id, 'SUCCESS', o.operation_type, o.amount, o.balance_after, o.seq, false, o.created_at
        into operation_id, status, operation_type, amount, new_balance, seq, replayed, created_at;
        if found then
            return;
        end if;

        -- Refused, but why? The wallet is locked to answer that, and may have changed in between: then once more.
        select * into v_wallet from wallets as w where w.id = p_wallet_id for no key update;
        v_error := case
            when not found then 'WA001'
            when v_wallet.status <> 'ACTIVE' then 'WA006'
            when v_wallet.balance - v_wallet.held < v_least_available then 'WA002'
            when v_wallet.balance > v_most_balance then 'WA005'
        end;
    end loop;

    raise exception '%', _refusal_detail(
        v_error, p_wallet_id, p_operation_type, p_amount, v_wallet.balance, v_wallet.held, v_wallet.status
    ) using errcode = v_error;
end;
$$;

comment on function wallet.apply_operation(uuid, text, bigint, text) is
'Applies a DEPOSIT or WITHDRAW of p_amount minor units; raises WA001 to WA008 when refused. Safe to repeat with a key.';

grant execute on function wallet.apply_operation(uuid, text, bigint, text) to wallet_app;

-- Deposits or withdraws for an admin, who says why. Answers what apply_operations does for a single item: a refusal is
-- a row, and one by a money rule is remembered in rejections. Sent again with its key it gives the first answer, and is
-- not written to the audit twice.
--
-- Locks:  the wallet's row, until the transaction ends.
-- Raises: WA020 not_signed_in   WA021 invalid_reason; what apply_operations raises, and never for the operation.
create or replace function wallet.admin_apply_operation(
    p_session text,
    p_address inet,
    p_wallet_id uuid,
    p_operation_type text,
    p_amount bigint,
    p_idempotency_key text,
    p_reason text
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
as $$
#variable_conflict use_column
declare
    v_admin constant text := _require_admin(p_session);
    v_answer record;
begin
    perform _check_reason(p_reason);
    select * into v_answer
    from apply_operations(
        array[p_wallet_id], array[p_operation_type], array[p_amount], array[p_idempotency_key]
    );
    -- Of what is neither a deposit nor a withdrawal there is nothing to tell.
    if not coalesce(v_answer.replayed, false) and p_operation_type in ('DEPOSIT', 'WITHDRAW') then
        perform _record_audit(
            v_admin,
            p_address,
            lower(p_operation_type),
            p_wallet_id,
            coalesce(v_answer.error_code, 'done'),
            jsonb_build_object('amount', p_amount, 'reason', p_reason, 'operation_id', v_answer.operation_id)
        );
    end if;
    return query
        select
            v_answer.position,
            v_answer.operation_id,
            v_answer.status,
            v_answer.operation_type,
            v_answer.amount,
            v_answer.new_balance,
            v_answer.seq,
            v_answer.replayed,
            v_answer.created_at,
            v_answer.error_code,
            v_answer.detail;
end;
$$;

comment on function wallet.admin_apply_operation(text, inet, uuid, text, bigint, text, text) is
'Deposits or withdraws for an admin, who says why; a refusal is a row; raises WA020 or WA021.';

grant execute on function wallet.admin_apply_operation(text, inet, uuid, text, bigint, text, text) to wallet_app;

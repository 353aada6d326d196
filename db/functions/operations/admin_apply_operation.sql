-- Deposits or withdraws for an admin, who gives a reason. Returns what apply_operations returns for one item: a
-- rejection is a row, and one by a money rule is remembered in rejections. Repeated with its idempotency key it returns
-- the first result, and is recorded in the audit log once.
--
-- Locks:  the wallet's row, until the transaction ends.
-- Raises: WA020 not_signed_in   WA021 invalid_reason; never for the operation.
create or replace function wallet.admin_apply_operation(
    p_session text,
    p_address inet,
    p_wallet_id uuid,
    p_operation_type text,
    p_amount bigint,
    p_idempotency_key text,
    p_reason text
)
returns setof wallet.operation_result
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_result operation_result;
begin
    perform _check_reason(p_reason);
    select * into v_result
    from apply_operations(array[p_wallet_id], array[p_operation_type], array[p_amount], array[p_idempotency_key]);
    -- An unknown type has no action to record.
    if not coalesce(v_result.replayed, false) and _operation_sign(p_operation_type) is not null then
        perform _record_audit(
            v_admin,
            p_address,
            lower(p_operation_type),
            p_wallet_id,
            coalesce(v_result.error_code, 'done'),
            jsonb_build_object('amount', p_amount, 'reason', p_reason, 'operation_id', v_result.operation_id)
        );
    end if;
    return next v_result;
end;
$$;

comment on function wallet.admin_apply_operation(text, inet, uuid, text, bigint, text, text) is
'Deposits or withdraws for an admin, with a reason; a rejection is a row; raises WA020 or WA021.';

grant execute on function wallet.admin_apply_operation(text, inet, uuid, text, bigint, text, text) to wallet_app;

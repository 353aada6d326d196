-- The SQLSTATE of the rule that an operation would break now, or the balance that it would leave. Applies nothing: the
-- wallet may change before the operation is applied.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found
create or replace function wallet.preview_operation(
    p_wallet_id uuid,
    p_operation_type text,
    p_amount bigint,
    out error_code text,
    out new_balance bigint
)
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
begin
    perform get_wallet(p_wallet_id);
    select
        e.error_code,
        case when e.error_code is null then _balance_after(w.balance, p_operation_type, p_amount) end
    into error_code, new_balance
    from wallets as w
    cross join lateral (
        select coalesce(
            _request_error(w.id, p_operation_type, p_amount),
            _rule_error(p_operation_type, p_amount, w.status, w.balance, w.held)
        ) as error_code
    ) as e
    where w.id = p_wallet_id;
end;
$$;

comment on function wallet.preview_operation(uuid, text, bigint) is
'The SQLSTATE of the rule that an operation would break, or the balance that it would leave; raises WA001.';

grant execute on function wallet.preview_operation(uuid, text, bigint) to wallet_app, wallet_reader;

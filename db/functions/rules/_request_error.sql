-- The rule of form that a request breaks, null if none: WA003 invalid_amount, WA004 invalid_operation_type, WA001
-- wallet_not_found (no wallet is named). The key has a rule of its own: _is_idempotency_key.
create or replace function wallet._request_error(p_wallet_id uuid, p_operation_type text, p_amount bigint)
returns text
language sql
immutable parallel safe
as $$
    select case
        when (p_amount > 0) is not true then 'WA003'
        when wallet._operation_sign(p_operation_type) is null then 'WA004'
        when p_wallet_id is null then 'WA001'
    end
$$;

comment on function wallet._request_error(uuid, text, bigint) is
'The SQLSTATE of the rule of form that a request breaks, null if none.';

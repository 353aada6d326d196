-- Why a request was rejected, in words. One text per code, for apply_operation and apply_operations.
create or replace function wallet._rejection_detail(
    p_error_code text,
    p_wallet_id uuid,
    p_operation_type text,
    p_amount bigint,
    p_balance bigint,
    p_held bigint,
    p_status text
)
returns text
language sql
immutable parallel safe
as $$
    select case p_error_code
        when 'WA001' then 'wallet not found: ' || coalesce(p_wallet_id::text, 'null')
        when 'WA002' then 'insufficient funds: ' || p_balance - p_held || ' available, ' || p_amount || ' requested'
        when 'WA003' then
            'amount must be between 1 and 9223372036854775807; got ' || coalesce(p_amount::text, 'null')
        when 'WA004' then
            'operation_type must be DEPOSIT or WITHDRAW; got ' || coalesce(left(p_operation_type, 40), 'null')
        when 'WA005' then
            'balance limit exceeded: balance ' || p_balance || ', deposit ' || p_amount || ', maximum 9223372036854775807'
        when 'WA006' then 'wallet not active: status is ' || p_status
        when 'WA007' then 'idempotency key reused: it belongs to another operation_type or amount'
        when 'WA008' then 'idempotency key must be 1 to 255 visible ASCII characters'
    end
$$;

comment on function wallet._rejection_detail(text, uuid, text, bigint, bigint, bigint, text) is
'Why a request was rejected, in words.';

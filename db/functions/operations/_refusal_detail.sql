-- In words, why a wallet in a given state refuses an operation: for apply_operation and apply_operations alike.
create or replace function wallet._refusal_detail(
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
        when 'WA001' then 'there is no wallet ' || coalesce(p_wallet_id::text, 'null')
        when 'WA002' then
            'wallet ' || p_wallet_id || ' has ' || p_balance - p_held || ' available, '
            || p_amount || ' to withdraw is more'
        when 'WA003' then
            'amount has to be from 1 to 9223372036854775807 minor units, not ' || coalesce(p_amount::text, 'null')
        when 'WA004' then 'operation_type has to be DEPOSIT or WITHDRAW, not ' || coalesce(left(p_operation_type, 40), 'null')
        when 'WA005' then
            'wallet ' || p_wallet_id || ' holds ' || p_balance || ', ' || p_amount
            || ' more would exceed 9223372036854775807'
        when 'WA006' then 'wallet ' || p_wallet_id || ' is ' || p_status
        when 'WA007' then 'this idempotency key was used for another operation_type or amount'
        when 'WA008' then 'an idempotency key has to be 1 to 255 visible ASCII characters'
    end
$$;

comment on function wallet._refusal_detail(text, uuid, text, bigint, bigint, bigint, text) is
'In words, why a wallet in a given state refuses an operation.';

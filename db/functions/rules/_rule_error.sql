-- The money rule that a well-formed request breaks on a locked wallet, null if none: WA006 wallet_not_active,
-- WA002 insufficient_funds, WA005 balance_limit_exceeded; WA004 invalid_operation_type for a type that has no rule yet.
create or replace function wallet._rule_error(
    p_operation_type text,
    p_amount bigint,
    p_status text,
    p_balance bigint,
    p_held bigint
)
returns text
language sql
immutable parallel safe
as $$
    select case
        when p_status <> 'ACTIVE' then 'WA006'
        -- Subtracted from what cannot overflow, whatever the amount is.
        when p_operation_type = 'WITHDRAW' then case when p_balance - p_held < p_amount then 'WA002' end
        when p_operation_type = 'DEPOSIT' then case when 9223372036854775807 - p_balance < p_amount then 'WA005' end
        else 'WA004'
    end
$$;

comment on function wallet._rule_error(text, bigint, text, bigint, bigint) is
'The SQLSTATE of the money rule that a well-formed request breaks, null if none.';

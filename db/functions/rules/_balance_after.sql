-- The balance that an operation leaves, null for an unknown type.
create or replace function wallet._balance_after(p_balance bigint, p_operation_type text, p_amount bigint)
returns bigint
language sql
immutable parallel safe
as $$
    -- Not balance + sign * amount: that is computed at plan time for a constant amount, and overflows for -2^63.
    select case wallet._operation_sign(p_operation_type)
        when 1 then p_balance + p_amount
        when -1 then p_balance - p_amount
    end
$$;

comment on function wallet._balance_after(bigint, text, bigint) is
'The balance that an operation leaves, null for an unknown type.';

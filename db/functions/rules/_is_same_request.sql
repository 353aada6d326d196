-- Whether a request repeats the first one with its wallet and idempotency key. Never null.
create or replace function wallet._is_same_request(
    p_first_operation_type text,
    p_first_amount bigint,
    p_operation_type text,
    p_amount bigint
)
returns boolean
language sql
immutable parallel safe
as $$
    select p_first_operation_type is not distinct from p_operation_type and p_first_amount is not distinct from p_amount
$$;

comment on function wallet._is_same_request(text, bigint, text, bigint) is
'Whether a request repeats the first one with its wallet and idempotency key.';

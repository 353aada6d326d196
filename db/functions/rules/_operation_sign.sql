-- Whether an operation of a type adds to the balance (1) or takes from it (-1): null for an unknown type.
create or replace function wallet._operation_sign(p_operation_type text)
returns smallint
language sql
immutable parallel safe
as $$
    select case p_operation_type when 'DEPOSIT' then 1::smallint when 'WITHDRAW' then (-1)::smallint end
$$;

comment on function wallet._operation_sign(text) is '1 for a DEPOSIT, -1 for a WITHDRAW, null for an unknown type.';

-- operation_details calls it: a view's functions run with the rights of its reader.
grant execute on function wallet._operation_sign(text) to wallet_reader;

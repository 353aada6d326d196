-- Checks the reason that an admin gives.
--
-- Raises: WA021 invalid_reason
create or replace function wallet._check_reason(p_reason text)
returns void
language plpgsql
immutable parallel safe
as $$
begin
    if p_reason is null
        or char_length(p_reason) > 500
        or p_reason !~ '\S'
        or p_reason ~ '[\u0001-\u001f\u007f]'
    then
        raise exception 'reason must be 1 to 500 characters, not only blanks, without control characters'
            using errcode = 'WA021';
    end if;
end;
$$;

comment on function wallet._check_reason(text) is 'Checks the reason that an admin gives; raises WA021.';

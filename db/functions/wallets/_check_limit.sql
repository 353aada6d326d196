-- Checks the length of a page.
--
-- Raises: WA015 invalid_limit
create or replace function wallet._check_limit(p_limit integer)
returns void
language plpgsql
immutable parallel safe
as $$
begin
    if p_limit is null or p_limit not between 1 and 1001 then
        raise exception 'limit must be between 1 and 1001; got %', coalesce(p_limit::text, 'null')
            using errcode = 'WA015';
    end if;
end;
$$;

comment on function wallet._check_limit(integer) is 'Checks the length of a page; raises WA015.';

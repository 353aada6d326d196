-- Creates an API key, for create_api_key and admin_create_api_key. Repeated with the same arguments, because a form was
-- sent twice, it returns the key that exists.
--
-- Raises: WA014 invalid_name    WA023 api_key_already_exists
--         WA025 invalid_scope   WA026 invalid_rate_limit
create or replace function wallet._add_api_key(p_name text, p_scope text, p_key_hash bytea, p_rate_limit integer)
returns wallet.api_key_details
language plpgsql
as $$
declare
    v_key api_key_details;
begin
    if p_name is null or char_length(p_name) > 100 or p_name !~ '\S' or p_name ~ '[\u0001-\u001f\u007f]' then
        raise exception 'name must be 1 to 100 characters, not only blanks, without control characters'
            using errcode = 'WA014';
    end if;
    if p_scope is null or p_scope not in ('read', 'operate', 'manage') then
        raise exception 'scope must be read, operate or manage; got %', coalesce(left(p_scope, 40), 'null')
            using errcode = 'WA025';
    end if;
    if p_rate_limit <= 0 then
        raise exception 'rate limit must be at least 1 request per second; got %', p_rate_limit
            using errcode = 'WA026';
    end if;

    insert into api_keys (name, scope, key_hash, rate_limit)
    values (p_name, p_scope, p_key_hash, p_rate_limit)
    on conflict do nothing;
    select d.* into v_key
    from api_keys as k
    join api_key_details as d on k.id = d.id
    where k.key_hash = p_key_hash
        and k.name = p_name
        and k.scope = p_scope
        and k.rate_limit is not distinct from p_rate_limit
        and k.revoked_at is null;
    if not found then
        raise exception 'API key already exists: %', p_name using errcode = 'WA023';
    end if;
    return v_key;
end;
$$;

comment on function wallet._add_api_key(text, text, bytea, integer) is
'Creates an API key; raises WA014, WA023, WA025 or WA026.';

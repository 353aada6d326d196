-- Whether a text can be an idempotency key: 1 to 255 visible ASCII characters.
create or replace function wallet._is_idempotency_key(p_key text)
returns boolean
language sql
immutable parallel safe
as $$
    select p_key <> '' and pg_catalog.octet_length(p_key) <= 255 and p_key !~ '[^!-~]'
$$;

comment on function wallet._is_idempotency_key(text) is
'Whether a text is 1 to 255 visible ASCII characters; null for null.';

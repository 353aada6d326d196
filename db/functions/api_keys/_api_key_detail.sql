-- The detail of an API key in the audit log.
create or replace function wallet._api_key_detail(p_key wallet.api_key_details)
returns jsonb
language sql
immutable
as $$
    select jsonb_strip_nulls(jsonb_build_object(
        'name', p_key.name, 'scope', p_key.scope, 'rate_limit', p_key.rate_limit
    ))
$$;

comment on function wallet._api_key_detail(wallet.api_key_details) is 'The detail of an API key in the audit log.';

create or replace view wallet.api_key_details as
select
    k.id,
    k.name,
    k.scope,
    k.rate_limit,
    k.created_at,
    k.last_used_at,
    k.revoked_at
from wallet.api_keys as k;

comment on view wallet.api_key_details is 'Who may call the REST API, without the hashes of the API keys.';

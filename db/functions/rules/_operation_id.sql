-- The id of the operation that a wallet applies under an idempotency key: a UUID of version 8 (RFC 9562, section 5.8)
-- from 120 bits of sha256(wallet_id || key).
--
-- A function of its arguments alone, so that one unique index on (wallet_id, id) serves idempotency, look-up by id and
-- resubmission after a lost connection.
create or replace function wallet._operation_id(p_wallet_id uuid, p_idempotency_key text)
returns uuid
language sql
stable parallel safe
as $$
    select pg_catalog.overlay(pg_catalog.overlay(
        pg_catalog.encode(pg_catalog.substr(pg_catalog.sha256(
            pg_catalog.uuid_send(p_wallet_id) || pg_catalog.convert_to(p_idempotency_key, 'UTF8')
        ), 1, 16), 'hex'),
    '8', 13), '8', 17)::uuid
$$;

comment on function wallet._operation_id(uuid, text) is
'The id of the operation of a wallet under an idempotency key.';

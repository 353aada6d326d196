-- Records what an admin did in the audit log, in the transaction of the action.
create or replace function wallet._record_audit(
    p_admin text,
    p_address inet,
    p_action text,
    p_wallet_id uuid default null,
    p_outcome text default 'done',
    p_detail jsonb default '{}'
)
returns void
language sql
as $$
    insert into audit (admin, address, action, wallet_id, outcome, detail)
    values (p_admin, p_address, p_action, p_wallet_id, p_outcome, p_detail)
$$;

comment on function wallet._record_audit(text, inet, text, uuid, text, jsonb) is
'Records what an admin did in the audit log.';

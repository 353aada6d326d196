-- Verifies a wallet for an admin, as record_verification does, and records that in the audit log.
--
-- Locks:  the wallet's verification, until the transaction ends; operations never wait for it.
-- Raises: WA001 wallet_not_found   WA020 not_signed_in
create or replace function wallet.admin_verify_wallet(p_session text, p_address inet, p_wallet_id uuid)
returns setof wallet.finding
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_findings bigint;
begin
    return query select f.* from record_verification(p_wallet_id) as f;
    get diagnostics v_findings = row_count;
    perform _record_audit(
        v_admin, p_address, 'verify', p_wallet_id, p_detail => jsonb_build_object('findings', v_findings)
    );
end;
$$;

comment on function wallet.admin_verify_wallet(text, inet, uuid) is
'Verifies a wallet for an admin, and keeps the findings; raises WA001 or WA020.';

grant execute on function wallet.admin_verify_wallet(text, inet, uuid) to wallet_app;

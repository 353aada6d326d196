-- Records in the audit log that an admin exports a wallet's operations of a period.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA020 not_signed_in
create or replace function wallet.admin_record_export(
    p_session text,
    p_address inet,
    p_wallet_id uuid,
    p_from timestamptz,
    p_until timestamptz
)
returns void
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
begin
    perform get_balance(p_wallet_id);
    perform _record_audit(
        v_admin,
        p_address,
        'export',
        p_wallet_id,
        -- In UTC, whatever the session's time zone.
        p_detail => jsonb_build_object('from', p_from at time zone 'UTC', 'until', p_until at time zone 'UTC')
    );
end;
$$;

comment on function wallet.admin_record_export(text, inet, uuid, timestamptz, timestamptz) is
'Records in the audit log that an admin exports a wallet''s operations; raises WA001 or WA020.';

grant execute on function wallet.admin_record_export(text, inet, uuid, timestamptz, timestamptz) to wallet_app;

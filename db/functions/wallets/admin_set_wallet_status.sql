-- Freezes, unfreezes or closes a wallet for an admin, who gives a reason. The status that it already has changes
-- nothing, and is not recorded in the audit log.
--
-- Locks:  the wallet's row, until the transaction ends.
-- Raises: WA001 wallet_not_found   WA006 wallet_not_active (it is closed)
--         WA012 invalid_status     WA013 wallet_not_empty
--         WA020 not_signed_in      WA021 invalid_reason
create or replace function wallet.admin_set_wallet_status(
    p_session text,
    p_address inet,
    p_wallet_id uuid,
    p_status text,
    p_reason text
)
returns wallet.wallet_details
language plpgsql
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_status text;
    v_wallet wallet_details;
begin
    perform _check_reason(p_reason);
    select w.status into v_status from wallets as w where w.id = p_wallet_id for no key update;
    v_wallet := set_wallet_status(p_wallet_id, p_status);
    if v_wallet.status <> v_status then
        perform _record_audit(
            v_admin,
            p_address,
            -- An unknown status has no action, and the audit log rejects a null.
            case p_status when 'FROZEN' then 'freeze' when 'ACTIVE' then 'unfreeze' when 'CLOSED' then 'close' end,
            p_wallet_id,
            p_detail => jsonb_build_object('reason', p_reason)
        );
    end if;
    return v_wallet;
end;
$$;

comment on function wallet.admin_set_wallet_status(text, inet, uuid, text, text) is
'Freezes, unfreezes or closes a wallet for an admin; raises WA020, WA021 and what set_wallet_status raises.';

grant execute on function wallet.admin_set_wallet_status(text, inet, uuid, text, text) to wallet_app;

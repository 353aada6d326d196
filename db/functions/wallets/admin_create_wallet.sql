-- Creates a wallet for an admin, with an opening deposit if one is given (idempotency key "opening"): both or neither.
-- A form that the same admin sends twice creates one wallet, and both calls return it.
--
-- Locks:  the wallet's row, until the transaction ends.
-- Raises: WA003 invalid_amount     WA009 wallet_already_exists (by another call)
--         WA011 invalid_currency   WA014 invalid_name
--         WA020 not_signed_in
create or replace function wallet.admin_create_wallet(
    p_session text,
    p_address inet,
    p_wallet_id uuid,
    p_name text,
    p_currency text,
    p_opening_amount bigint default null
)
returns wallet.wallet_details
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
declare
    v_admin constant text := _require_admin(p_session);
    v_detail constant jsonb := jsonb_strip_nulls(jsonb_build_object(
        'name', p_name, 'currency', p_currency, 'opening_amount', p_opening_amount
    ));
    v_id uuid;
begin
    begin
        v_id := (create_wallet(p_name, p_currency, p_wallet_id)).id;
    exception
        when sqlstate 'WA009' then
            if exists (
                select from audit as a
                where a.wallet_id = p_wallet_id
                    and a.action = 'create_wallet'
                    and a.admin = v_admin
                    and a.detail = v_detail
            ) then
                return get_wallet(p_wallet_id);
            end if;
            raise;
    end;
    if p_opening_amount is not null then
        perform apply_operation(v_id, 'DEPOSIT', p_opening_amount, 'opening');
    end if;
    perform _record_audit(v_admin, p_address, 'create_wallet', v_id, p_detail => v_detail);
    return get_wallet(v_id);
end;
$$;

comment on function wallet.admin_create_wallet(text, inet, uuid, text, text, bigint) is
'Creates a wallet for an admin, with an opening deposit if given; raises WA020 and what create_wallet raises.';

grant execute on function wallet.admin_create_wallet(text, inet, uuid, text, text, bigint) to wallet_app;

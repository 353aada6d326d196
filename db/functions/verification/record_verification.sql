-- Verifies a wallet as verify_wallet does, with the same result, and keeps the findings for list_broken_wallets.
--
-- Locks:  the wallet's verification, until the transaction ends; operations never wait for it.
-- Raises: WA001 wallet_not_found
create or replace function wallet.record_verification(p_wallet_id uuid)
returns setof wallet.finding
language plpgsql
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
declare
    v_findings jsonb;
begin
    perform get_balance(p_wallet_id);
    select v.findings into v_findings from _verify(array[p_wallet_id]) as v;
    insert into verifications as v (wallet_id, verified_at, findings)
    -- The first hundred say what is wrong; all of a long broken history would be too much to keep.
    values (p_wallet_id, clock_timestamp(), jsonb_path_query_array(v_findings, '$[0 to 99]'))
    on conflict on constraint verifications_pkey do update
    set verified_at = excluded.verified_at, findings = excluded.findings;
    return query select f.* from jsonb_populate_recordset(null::finding, v_findings) as f;
end;
$$;

comment on function wallet.record_verification(uuid) is
'Verifies a wallet as verify_wallet does, and keeps the findings; raises WA001.';

grant execute on function wallet.record_verification(uuid) to wallet_app;

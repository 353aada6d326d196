-- Verifies a wallet as verify_wallet does, with the same answer, and keeps what was found for list_broken_wallets.
--
-- Locks:  the wallet's verification, until the transaction ends; nothing that an operation waits for.
-- Raises: WA001 wallet_not_found
create or replace function wallet.record_verification(p_wallet_id uuid)
returns setof wallet.finding
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
#variable_conflict use_column
declare
    v_findings jsonb;
begin
    select coalesce(jsonb_agg(to_jsonb(f)), '[]') into v_findings from verify_wallet(p_wallet_id) as f;
    insert into verifications as v (wallet_id, verified_at, findings)
    -- The first hundred tell what is wrong; all of a long broken history would be too much to keep.
    values (p_wallet_id, clock_timestamp(), jsonb_path_query_array(v_findings, '$[0 to 99]'))
    on conflict on constraint verifications_pkey do update
    set verified_at = excluded.verified_at, findings = excluded.findings;
    return query
        select f.invariant, f.seq, f.expected, f.found
        from jsonb_to_recordset(v_findings) as f (invariant text, seq bigint, expected text, found text);
end;
$$;

comment on function wallet.record_verification(uuid) is
'Verifies a wallet as verify_wallet does, and keeps what was found; raises WA001.';

grant execute on function wallet.record_verification(uuid) to wallet_app;

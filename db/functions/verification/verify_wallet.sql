-- Derives a wallet again from its operations and returns a row for every invariant that does not hold: no row when it
-- is sound. seq says which operation breaks it, null where it is the wallet's own row.
--
--   seq_gapless          the operations are numbered 1, 2, 3, …
--   balance_after_exact  each balance_after is the one before plus a deposit or minus a withdrawal
--   time_not_backwards   no created_at is before the one of the previous operation
--   id_of_key            each id is the one of the wallet and the idempotency key
--   balance_exact        the wallet's balance is the newest balance_after, 0 without operations
--   last_seq_exact       the wallet's last_seq is the newest seq, 0 without operations
--
-- Locks:  nothing: the wallet and its operations are read in one statement, as of one moment.
-- Raises: WA001 wallet_not_found
create or replace function wallet.verify_wallet(p_wallet_id uuid)
returns setof wallet.finding
language plpgsql
stable
security definer
set search_path = wallet, pg_temp
set enable_seqscan = off
as $$
begin
    perform get_balance(p_wallet_id);
    return query
        select f.*
        from _verify(array[p_wallet_id]) as v
        cross join lateral jsonb_populate_recordset(null::finding, v.findings) as f;
end;
$$;

comment on function wallet.verify_wallet(uuid) is
'A row for every invariant of a wallet and its operations that does not hold, none when sound; raises WA001.';

grant execute on function wallet.verify_wallet(uuid) to wallet_app, wallet_reader;

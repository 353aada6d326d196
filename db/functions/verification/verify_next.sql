-- Continues a verification of the whole ledger: up to p_wallets more wallets, or fewer once they have p_operations
-- operations; a row for each, with its operations and an array of what verify_wallet finds. No row: it is finished.
-- How far it has come is kept in the same transaction, as is what was found, for list_broken_wallets. Each wallet is
-- judged as of one moment; one that is created during the run may be left out.
--
-- Locks:  the run, until the transaction ends; operations never wait for it.
-- Raises: nothing.
create or replace function wallet.verify_next(
    p_run_id bigint,
    p_wallets integer default 1000,
    p_operations bigint default 100000
)
returns table (wallet_id uuid, operations bigint, findings jsonb)
language plpgsql
security definer
set search_path = wallet, pg_temp
-- Whether it is the first time decides the plan; it is made for a thousand wallets.
set plan_cache_mode = force_custom_plan
-- Statistics may be missing or old, and what is read is few of many rows.
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    v_after uuid;
    v_ids uuid[];
begin
    select r.last_wallet_id into v_after
    from verification_runs as r
    where r.id = p_run_id and r.finished_at is null
    for update;
    if not found then
        return;
    end if;

    select array_agg(c.id order by c.id) into v_ids
    from (
        select b.id, sum(b.last_seq) over (order by b.id) - b.last_seq as before
        from (
            select w.id, w.last_seq
            from wallets as w
            where v_after is null or w.id > v_after
            order by w.id
            limit p_wallets
        ) as b
    ) as c
    where c.before < p_operations;
    if v_ids is null then
        update verification_runs as r set finished_at = clock_timestamp() where r.id = p_run_id;
        return;
    end if;

    return query
        with verified as materialized (
            select f.wallet_id, f.operations, f.findings from _verify(v_ids) as f
        ),

        recorded as (
            -- A sound wallet of which nothing was ever found needs no row.
            insert into verifications as v (wallet_id, verified_at, findings)
            select f.wallet_id, clock_timestamp(), jsonb_path_query_array(f.findings, '$[0 to 99]')
            from verified as f
            where f.findings <> '[]' or exists (select from verifications as k where k.wallet_id = f.wallet_id)
            on conflict on constraint verifications_pkey do update
            set verified_at = excluded.verified_at, findings = excluded.findings
        ),

        continued as (
            update verification_runs as r
            set
                continued_at = clock_timestamp(),
                last_wallet_id = v_ids[cardinality(v_ids)],
                wallets = r.wallets + (select count(*) from verified),
                operations = r.operations + (select sum(f.operations) from verified as f),
                broken = r.broken + (select count(*) from verified as f where f.findings <> '[]')
            where r.id = p_run_id
        )

        select f.wallet_id, f.operations, f.findings from verified as f order by f.wallet_id;
end;
$$;

comment on function wallet.verify_next(bigint, integer, bigint) is
'Continues a verification of the whole ledger: a row per wallet that was verified, none when it is finished.';

grant execute on function wallet.verify_next(bigint, integer, bigint) to wallet_app;

-- Begins to verify the whole ledger, which verify_next continues; or, with p_is_resumed, resumes the last run that was
-- not finished. Returns the run, how far it has come, and about how many operations there are.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.begin_verification(p_is_resumed boolean default false)
returns table (
    run_id bigint,
    started_at timestamptz,
    wallets bigint,
    operations bigint,
    broken bigint,
    is_resumed boolean,
    estimated_operations bigint
)
language plpgsql
security definer
set search_path = wallet, pg_temp
as $$
#variable_conflict use_column
declare
    v_run verification_runs;
    v_estimate constant bigint := (select c.reltuples from pg_class as c where c.oid = 'operations'::regclass);
begin
    select * into v_run from verification_runs as r where p_is_resumed order by r.id desc limit 1;
    if v_run.id is null or v_run.finished_at is not null then
        insert into verification_runs default values returning * into v_run;
    end if;
    return query
        select
            v_run.id,
            v_run.started_at,
            v_run.wallets,
            v_run.operations,
            v_run.broken,
            v_run.last_wallet_id is not null,
            greatest(v_estimate, v_run.operations);
end;
$$;

comment on function wallet.begin_verification(boolean) is
'Begins to verify the whole ledger, or resumes the last run that was not finished.';

grant execute on function wallet.begin_verification(boolean) to wallet_app;

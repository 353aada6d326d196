-- The latest deployment: the digest of its source, and whether the functions are unchanged since. No row before the
-- first.
--
-- Locks:  nothing.
-- Raises: nothing.
create or replace function wallet.get_deployment()
returns table (source_digest text, is_intact boolean, deployed_at timestamptz, deployed_by text)
language sql
stable
security definer
set search_path = wallet, pg_temp
as $$
    select d.source_digest, d.functions_digest = _functions_digest(), d.deployed_at, d.deployed_by
    from deployments as d
    order by d.deployed_at desc
    limit 1
$$;

comment on function wallet.get_deployment() is
'The latest deployment: digest of its source, whether the functions are unchanged since, when, and by whom.';

grant execute on function wallet.get_deployment() to wallet_app, wallet_reader;

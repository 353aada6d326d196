-- A page of wallets, newest first: those made before (p_before_created_at, p_before_id), or the newest ones without it.
-- p_q keeps the wallets whose name contains it, in upper or lower case, or whose id it is.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_wallets(
    p_limit integer default 50,
    p_before_created_at timestamptz default null,
    p_before_id uuid default null,
    p_q text default null,
    p_status text default null,
    p_currency text default null
)
returns setof wallet.wallet_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
-- A plan lasts as long as a session: one made while the tables were small has to be good when they are large.
set enable_seqscan = off
as $$
begin
    perform _check_limit(p_limit);
    return query
        select w.*
        from wallet_details as w
        where (w.created_at, w.id) < (
                coalesce(p_before_created_at, 'infinity'),
                coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            )
            and (p_q is null or strpos(lower(w.name), lower(p_q)) > 0 or w.id::text = lower(p_q))
            and (p_status is null or w.status = p_status)
            and (p_currency is null or w.currency = p_currency)
        order by w.created_at desc, w.id desc
        limit p_limit;
end;
$$;

comment on function wallet.list_wallets(integer, timestamptz, uuid, text, text, text) is
'A page of wallets, newest first. The next page: p_before_created_at and p_before_id = those of the last wallet here.';

grant execute on function wallet.list_wallets(integer, timestamptz, uuid, text, text, text)
to wallet_app, wallet_reader;

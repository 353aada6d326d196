-- A page of wallets, newest first: those created before (p_before_created_at, p_before_id), or the newest ones without
-- it. p_q keeps the wallets whose name contains it, or, if it has less than 3 characters, begins with it, in upper or
-- lower case, and the one whose id it is.
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
-- Which index is the right one depends on the arguments, and on how often the text searched for occurs.
set plan_cache_mode = force_custom_plan
as $$
declare
    v_ids uuid[];
begin
    perform _check_limit(p_limit);
    v_ids := _find_wallets(
        'created', true, p_limit, p_q, p_status, p_currency,
        coalesce(p_before_created_at, 'infinity'),
        null,
        coalesce(p_before_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
    );
    return query
        select w.*
        from unnest(v_ids) with ordinality as i (id, index)
        join wallet_details as w on i.id = w.id
        order by i.index;
end;
$$;

comment on function wallet.list_wallets(integer, timestamptz, uuid, text, text, text) is
'A page of wallets, newest first. The next page: p_before_created_at and p_before_id = those of the last wallet here.';

grant execute on function wallet.list_wallets(integer, timestamptz, uuid, text, text, text)
to wallet_app, wallet_reader;

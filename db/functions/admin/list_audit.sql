-- A page of what admins did, newest first: older than p_from_id, or, backward, newer than it. Of one wallet, or of all.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit
create or replace function wallet.list_audit(
    p_limit integer,
    p_from_id bigint default null,
    p_is_backward boolean default false,
    p_wallet_id uuid default null
)
returns table (
    id bigint,
    at timestamptz,
    admin text,
    address inet,
    action text,
    wallet_id uuid,
    outcome text,
    detail jsonb,
    currency text
)
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
-- Whether a wallet is given decides the index; the plan has to be made for what is given.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
begin
    perform _check_limit(p_limit);
    if p_is_backward then
        return query
            select p.*
            from (
                select a.id, a.at, a.admin, a.address, a.action, a.wallet_id, a.outcome, a.detail, w.currency
                from audit as a
                left join wallets as w on a.wallet_id = w.id
                where (p_from_id is null or a.id > p_from_id) and (p_wallet_id is null or a.wallet_id = p_wallet_id)
                order by a.id
                limit p_limit
            ) as p
            order by p.id desc;
    else
        return query
            select a.id, a.at, a.admin, a.address, a.action, a.wallet_id, a.outcome, a.detail, w.currency
            from audit as a
            left join wallets as w on a.wallet_id = w.id
            where (p_from_id is null or a.id < p_from_id) and (p_wallet_id is null or a.wallet_id = p_wallet_id)
            order by a.id desc
            limit p_limit;
    end if;
end;
$$;

comment on function wallet.list_audit(integer, bigint, boolean, uuid) is
'A page of what admins did, newest first. The next page: p_from_id = the last id of this one.';

grant execute on function wallet.list_audit(integer, bigint, boolean, uuid) to wallet_app, wallet_reader;

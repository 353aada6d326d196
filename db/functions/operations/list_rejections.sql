-- A page of a wallet's remembered rejections, newest first: those older than the one with the given position, or,
-- backward, those newer than it.
--
-- Locks:  nothing.
-- Raises: WA001 wallet_not_found   WA015 invalid_limit
create or replace function wallet.list_rejections(
    p_wallet_id uuid,
    p_limit integer default 50,
    p_from_created_at timestamptz default null,
    p_from_id uuid default null,
    p_is_backward boolean default false
)
returns setof wallet.rejection_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
-- Each "case" below is decided when it is planned.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
begin
    perform _check_limit(p_limit);
    perform get_balance(p_wallet_id);
    return query
        select p.*
        from (
            select r.*
            from rejection_details as r
            where r.wallet_id = p_wallet_id
                and case
                    when p_is_backward then (r.created_at, r.operation_id) > (
                        coalesce(p_from_created_at, '-infinity'),
                        coalesce(p_from_id, '00000000-0000-0000-0000-000000000000')
                    )
                    else (r.created_at, r.operation_id) < (
                        coalesce(p_from_created_at, 'infinity'),
                        coalesce(p_from_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                    )
                end
            order by
                case when p_is_backward then r.created_at end,
                case when p_is_backward then r.operation_id end,
                case when p_is_backward is not true then r.created_at end desc,
                case when p_is_backward is not true then r.operation_id end desc
            limit p_limit
        ) as p
        order by p.created_at desc, p.operation_id desc;
end;
$$;

comment on function wallet.list_rejections(uuid, integer, timestamptz, uuid, boolean) is
'A page of a wallet''s remembered rejections, newest first; raises WA001 or WA015.';

grant execute on function wallet.list_rejections(uuid, integer, timestamptz, uuid, boolean)
to wallet_app, wallet_reader;

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
returns setof wallet.audit_details
language plpgsql
stable parallel safe
security definer
set search_path = wallet, pg_temp
-- Which index is right depends on the arguments; each "case" below is decided when it is planned.
set plan_cache_mode = force_custom_plan
as $$
begin
    perform _check_limit(p_limit);
    return query
        select p.*
        from (
            select a.*
            from audit_details as a
            where (p_wallet_id is null or a.wallet_id = p_wallet_id)
                and case
                    when p_from_id is null then true
                    when p_is_backward then a.id > p_from_id
                    else a.id < p_from_id
                end
            order by case when p_is_backward then a.id end, case when p_is_backward is not true then a.id end desc
            limit p_limit
        ) as p
        order by p.id desc;
end;
$$;

comment on function wallet.list_audit(integer, bigint, boolean, uuid) is
'A page of what admins did, newest first. The next page: p_from_id = the last id of this one.';

grant execute on function wallet.list_audit(integer, bigint, boolean, uuid) to wallet_app, wallet_reader;

-- A page of wallets, in one of the orders newest, oldest, name and name_desc (in both of which wallets without a name
-- come last): those after the wallet with the given position, or, backward, before it, always in the same order. The
-- position is created_at and id, or name and id; without one it is the first page, or, backward, the last.
-- p_q keeps the wallets whose name contains it, or, if it has less than 3 characters, begins with it, in upper or lower
-- case, and the one whose id it is.
--
-- Locks:  nothing.
-- Raises: WA015 invalid_limit   WA022 invalid_order
create or replace function wallet.search_wallets(
    p_limit integer,
    p_order text default 'newest',
    p_q text default null,
    p_status text default null,
    p_currency text default null,
    p_from_created_at timestamptz default null,
    p_from_name text default null,
    p_from_id uuid default null,
    p_is_backward boolean default false
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
    v_is_descending constant boolean := (p_order in ('newest', 'name_desc')) <> coalesce(p_is_backward, false);
    v_keys text[];
    v_from_key text;
    v_key text;
    v_ids uuid[] := array[]::uuid[];
begin
    perform _check_limit(p_limit);
    if p_order is null or p_order not in ('newest', 'oldest', 'name', 'name_desc') then
        raise exception 'order must be newest, oldest, name or name_desc; got %', coalesce(left(p_order, 40), 'null')
            using errcode = 'WA022';
    end if;

    v_keys := case
        when p_order in ('newest', 'oldest') then array['created']
        when p_is_backward then array['nameless', 'named']
        else array['named', 'nameless']
    end;
    v_from_key := case
        when p_from_id is null then null
        when p_order in ('newest', 'oldest') then 'created'
        when p_from_name is null then 'nameless'
        else 'named'
    end;
    if v_from_key = v_keys[2] then
        v_keys := v_keys[2:];
    end if;
    foreach v_key in array v_keys loop
        exit when cardinality(v_ids) = p_limit;
        v_ids := v_ids || _find_wallets(
            v_key, v_is_descending, p_limit - cardinality(v_ids), p_q, p_status, p_currency,
            p_from_created_at, p_from_name, case when v_key = v_from_key then p_from_id end
        );
    end loop;

    return query
        select w.*
        from unnest(v_ids) with ordinality as i (id, index)
        join wallet_details as w on i.id = w.id
        order by case when p_is_backward then -i.index else i.index end;
end;
$$;

comment on function wallet.search_wallets(
    integer, text, text, text, text, timestamptz, text, uuid, boolean
) is 'A page of wallets in an order, after or before a position, that pass the filters; raises WA015 or WA022.';

grant execute on function wallet.search_wallets(integer, text, text, text, text, timestamptz, text, uuid, boolean)
to wallet_app, wallet_reader;

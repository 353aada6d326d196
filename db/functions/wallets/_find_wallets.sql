-- The ids of a page of wallets in the order of p_key, from a position on: p_key is created (by created_at), named
-- (those with a name, by it in lower case) or nameless (those without). p_q keeps the wallet of this id and those whose
-- name contains it, or, if it is shorter than a trigram, begins with it, in upper or lower case.
--
-- A text that is in many names is found soonest by walking along the order, one in few names by its trigrams. No
-- estimate says which it is, because the names that match may all be at the far end. So a hundred times the page is
-- walked, or a thousand times where the index has the names; only if that did not fill the page, all matches are
-- gathered and sorted: without a limit, so that the planner does not walk again.
--
-- Must be planned for its arguments (plan_cache_mode = force_custom_plan): then each "case" and "is null" below is
-- decided beforehand, and what is left is what an index has.
create or replace function wallet._find_wallets(
    p_key text,
    p_is_descending boolean,
    p_limit integer,
    p_q text,
    p_status text,
    p_currency text,
    p_from_created_at timestamptz,
    p_from_name text,
    p_from_id uuid
)
returns uuid[]
language plpgsql
stable parallel safe
as $$
declare
    v_q constant text := nullif(lower(p_q), '');
    v_pattern constant text := regexp_replace(v_q, '([\\%_])', '\\\1', 'g');
    v_prefix constant text := case when char_length(v_q) < 3 then v_pattern || '%' end;
    v_substring constant text := case when char_length(v_q) >= 3 then '%' || v_pattern || '%' end;
    v_id constant uuid := case when v_q ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then v_q::uuid end;
    v_from_name constant text := lower(p_from_name);
    v_is_walk boolean := v_id is null;
    v_ids uuid[];
begin
    loop
        v_ids := array(
            select s.id
            from (
                select w.id, m.is_match
                from wallets as w
                cross join lateral (
                    select v_q is null
                        or w.id = v_id
                        or lower(w.name) like v_substring
                        or lower(w.name) collate "C" like v_prefix as is_match
                ) as m
                where (p_status is null or w.status = p_status)
                    and (p_currency is null or w.currency = p_currency)
                    and (v_is_walk or m.is_match)
                    and case p_key
                        when 'created' then true
                        when 'named' then lower(w.name) is not null
                        when 'nameless' then lower(w.name) is null
                    end
                    and case
                        when p_from_id is null then true
                        when p_key = 'created' and p_is_descending
                            then (w.created_at, w.id) < (p_from_created_at, p_from_id)
                        when p_key = 'created' then (w.created_at, w.id) > (p_from_created_at, p_from_id)
                        when p_key = 'named' and p_is_descending
                            then (lower(w.name) collate "C", w.id) < (v_from_name, p_from_id)
                        when p_key = 'named' then (lower(w.name) collate "C", w.id) > (v_from_name, p_from_id)
                        when p_is_descending then w.id < p_from_id
                        else w.id > p_from_id
                    end
                order by
                    case when p_key = 'created' and not p_is_descending then w.created_at end,
                    case when p_key = 'created' and p_is_descending then w.created_at end desc,
                    case when p_key <> 'created' and not p_is_descending then lower(w.name) collate "C" end,
                    case when p_key <> 'created' and p_is_descending then lower(w.name) collate "C" end desc,
                    case when not p_is_descending then w.id end,
                    case when p_is_descending then w.id end desc
                limit case
                    when not v_is_walk then null
                    when v_q is null then p_limit
                    when p_key = 'created' then p_limit * 100
                    else p_limit * 1000
                end
            ) as s
            where s.is_match
            limit case when v_is_walk then p_limit end
        );
        exit when v_q is null or not v_is_walk or cardinality(v_ids) = p_limit;
        v_is_walk := false;
    end loop;
    return v_ids[:p_limit];
end;
$$;

comment on function wallet._find_wallets(
    text, boolean, integer, text, text, text, timestamptz, text, uuid
) is 'The ids of a page of wallets in an order, from a position on.';

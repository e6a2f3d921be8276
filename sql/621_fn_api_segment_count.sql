-- How many a campaign would mail. With a template: as start_campaign would find; without: who has had no mail of any campaign of
-- this segment and event.
create function campaign._api_segment_count(p_segment text, p_event_id uuid, p_template text, p_keys text[])
returns jsonb
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  v_segment campaign.segments := campaign._find_segment(p_segment);
  v_dedupe_key text := case when p_template is not null
    then campaign._default_dedupe_key(p_event_id, v_segment.name, (campaign._find_template(p_template)).id) end;
begin
  perform campaign._check_event(p_event_id);
  return (
    with mailed as materialized (
      select s.recipient_key, campaign._fold_address(s.email) as folded
      from campaign.email_jobs j
      join campaign.recipient_state s on s.job_no = j.job_no
      where p_template is null and j.segment = v_segment.name and j.event_id is not distinct from p_event_id
        and s.state in ('sent', 'uncertain', 'pending')
    ),
    counted as (
      select coalesce(a.reason, case
        when a.recipient_key in (select m.recipient_key from mailed m)
          or campaign._fold_address(a.email) in (select m.folded from mailed m) then 'already_mailed' end) as reason, count(*) as n
      from campaign._audience(v_segment.name, v_segment.query, p_event_id, p_keys, '{}', v_dedupe_key, false, null) a
      group by 1
    )
    select jsonb_build_object(
      'segment', v_segment.name,
      'unsent', coalesce(sum(c.n) filter (where c.reason is null), 0),
      'excluded', coalesce(jsonb_object_agg(c.reason, c.n) filter (where c.reason is not null), '{}'))
    from counted c);
end
$$;

-- Of recipients that a person wants to be mailed again: who may be. Everybody else has the mail of another campaign with the same
-- dedupe key, or is suppressed; nobody, where the links of the mail would be dead. The caller holds the lock of the dedupe key, since
-- these recipients become pending.
create function campaign._mailable_again(
  p_job campaign.email_jobs,
  p_positions bigint[],
  out mailable bigint[],
  out suppressed bigint,
  out already_mailed bigint
)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  -- Whoever would retire it waits, and sees that the campaign goes on.
  perform from campaign.signing_key k where k.key_id = p_job.signing_key_id and k.retired_at is null for share;
  if not found and p_job.signing_key_id is not null then
    raise exception using
      errcode = 'CP011',
      message = format('campaign %s mails nobody any more: its key %s is retired', p_job.id, p_job.signing_key_id),
      detail = 'All links of its mails would be dead, the one to unsubscribe included.',
      hint = 'Start a new campaign with start_campaign: whoever has the mail, or may have it, is left out (with allow_repeat => true nobody is).';
  end if;

  with mailed as materialized (
    select m.recipient_key, m.folded
    from campaign._mailed_already(p_job.dedupe_key, p_job.job_no) m
    where not p_job.allow_repeat
  ),
  asked as (
    select r.pos,
      exists (select from campaign.suppressions s where s.email = campaign._fold_address(r.email)) as suppressed,
      r.recipient_key in (select m.recipient_key from mailed m)
        or campaign._fold_address(r.email) in (select m.folded from mailed m) as already_mailed
    from campaign.recipient r
    where r.job_no = p_job.job_no and r.pos = any (p_positions)
  )
  select
    coalesce(array_agg(a.pos order by a.pos) filter (where not a.suppressed and not a.already_mailed), '{}'),
    count(*) filter (where a.suppressed),
    count(*) filter (where a.already_mailed and not a.suppressed)
  into mailable, suppressed, already_mailed
  from asked a;
end
$$;

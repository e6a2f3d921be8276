create function campaign.record_complaint(
  inout email text default null,
  job uuid default null,
  message_id text default null,
  detail text default null,
  out suppressed boolean,
  out job_id uuid,
  out recorded boolean
)
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select f.email, f.suppressed, f.job_id, f.recorded
  from campaign._record_feedback('complaint', record_complaint.email, record_complaint.job, record_complaint.message_id, record_complaint.detail) f
$$;

comment on function campaign.record_complaint(text, uuid, text, text) is
'Records that a recipient reported a mail as spam (a feedback loop, RFC 5965). The address gets no mail any more (complaint becomes the reason, whatever it was), and email_events shows it. message_id: of the mail, which names campaign and recipient; else email, with job if it is known: without, it is suppressed only. detail: words of the report. Returns the address; suppressed: by this call, false: it was before; job_id: null: no campaign that mailed it is known; recorded: by this call, false: it was before, or job_id is null. CP001: no such campaign. CP008: nobody is named, or two things that do not fit.';

create function campaign.report(p_runner_id uuid, p_items jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return campaign._report_items(p_runner_id, p_items, false);
end
$$;

comment on function campaign.report(uuid, jsonb) is
'Records outcomes and moves marks: [{job_no, chunk_no, epoch, next_mark, outcomes: [{pos, outcome, phase, code, enhanced, detail, verdict, class, rule}]}], outcome being sent, failed, deferred, uncertain or returned, and verdict what the rules made of the reply (deferred: defer or slow_down; returned: stop_job, which pauses the job, reconnect, or none). Returns for each item {job_no, chunk_no, epoch, verdict, mark, go}. ok: the positions in go may be started, each once. done: the lease is over. stop: start nothing more, then release; go names what was passed and has no outcome yet. fenced: the lease is lost, the outcomes are recorded all the same. again: nothing was written, repeat the item. Repeating a call changes nothing. CP022: the runner broke the protocol.';

begin;
\ir ../_protocol.sql
select plan(9);

-- The waits before each further try, in minutes, of a recipient who is answered so each time; then its state.
create function waits(p_job bigint, p_replies text[]) returns text language plpgsql as $$
declare
  v_chunk bigint := 1;
  v_due timestamptz;
  v_said text := '';
begin
  perform claim(1);
  foreach v_said in array p_replies loop
    perform report(1, p_job, v_chunk, 1);
    perform reply(1, p_job, v_chunk, 1, 'rcpt', nullif(v_said, ''));
    select i.due into v_due from campaign.retry_item i where i.job_no = p_job;
    exit when not found;
    insert into waited (job_no, minutes) values (p_job, (extract(epoch from v_due - campaign.now()) / 60)::numeric);
    v_chunk := retry(1, v_due - campaign.now());
  end loop;
  return concat((select string_agg(round(minutes, 1)::text, ' ' order by nr) from waited where job_no = p_job), ' ', states(p_job));
end
$$;
create temporary table waited (nr integer generated always as identity, job_no bigint, minutes numeric);

insert into campaign.smtp_rules (reply, verdict, class, wait, tries) values ('short', 'defer', 'short', '20 s', null), ('twice', 'defer', 'twice', null, 2);
select start_job(1) as full \gset
select matches(waits(:full, array['452 4.2.2 full', '452 4.2.2 full', '452 4.2.2 full', '452 4.2.2 full']), '^3\d.\d 3\d.\d 1 failed$', 'a full mailbox is asked three times');
select start_job(1) as grey \gset
select matches(waits(:grey, array['450 4.7.1 Greylisted']), '^(5\.\d|6\.[0-3]) 1 pending$', 'greylisting waits 5 minutes at least');
select start_job(1) as plain \gset
select matches(waits(:plain, array['450 short', '450 short', '450 short']), '^(0\.[89]|1\.[0-2]) (1\.[5-9]|2\.[0-5]) ([3-5]\.\d) 1 pending$', 'the schedule holds where the rule wants less');
select start_job(1) as mixed \gset
select matches(waits(:mixed, array['450 twice', '450 short', '450 short', '450 twice']), '^\S+ \S+ \S+ 1 failed$', 'tries count answers of their class only');
select start_job(1, '{"max_retries": 2}') as lost \gset
select matches(waits(:lost, array['450 short', '', '450 short', '']), '^\S+ 0\.0 \S+ 1 failed$', 'only missing replies count against max_retries');
select is((select string_agg(concat_ws(' ', outcome, verdict, class), ', ' order by chunk_no) from campaign.attempt where job_no = :full),
  'deferred defer mailbox_full, deferred defer mailbox_full, failed defer mailbox_full', 'the facts');
select is_empty('select from campaign.suppressions', 'nobody is suppressed by that');

delete from campaign.smtp_rules where class = 'twice';
select start_job(1) as gone \gset
select claim(1);
select report(1, :gone, 1, 1);
select campaign.report(runner(1), jsonb_build_array(item(:gone, 1) || '{"outcomes": [{"pos": 1, "outcome": "deferred", "phase": "rcpt", "code": 450, "verdict": "defer", "class": "twice", "rule": 1001}]}'));
select is(states(:gone), '1 pending', 'a rule that is gone says nothing');
select books_hold(:full);

select * from finish();
rollback;

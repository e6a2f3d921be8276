begin;
\ir ../_fixtures.sql
select plan(18);

select id as job, job_no from campaign.start_campaign('guests', 'thanks', config => '{"chunk_size": 2}') \gset
select play_runner();

-- Constraints refuse most tampering before check_campaign has to find it; some cases need one out of the way.
create function found(p_job uuid, p_tampering text) returns text[] language plpgsql as $$
declare
  v_found text[];
begin
  begin
    execute p_tampering;
    v_found := array(select c.name from campaign.check_campaign(p_job) c where not c.holds order by c.name);
    raise exception using errcode = 'UNDO0';
  exception when sqlstate 'UNDO0' then
    return v_found;
  end;
end
$$;

select is(found(:'job', 'select'), '{}', 'untouched books hold');
select ok('the audience is whole' = any (found(:'job', format('delete from campaign.recipient where job_no = %s and pos = 2', :job_no))), 'a recipient is gone');
select ok('the audience is whole' = any (found(:'job', format('update campaign.recipient set pos = 7 where job_no = %s and pos = 2', :job_no))), 'positions have a gap');
select ok('the audience is whole' = any (found(:'job', format('delete from campaign.chunk where job_no = %s and chunk_no = 2', :job_no))), 'a chunk is gone');
select ok('no recipient is lost' = any (found(:'job', format('delete from campaign.attempt where job_no = %s and pos = 2', :job_no))), 'a fact is gone');
select is(found(:'job', format(
    'insert into campaign.chunk (job_no, chunk_no, kind, first_pos, last_pos, positions, n, state, mark, passed, recorded)
     values (%1$s, 900, ''retry'', 1, 1, ''{1}'', 1, ''done'', 1, 1, 1);
     insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at) values (%1$s, 1, 900, ''sent'', gen_random_uuid(), 1, now())', :job_no)),
  '{nobody was accepted twice unasked}', 'a second accepted mail');
select is(found(:'job', format('update campaign.chunk set n_sent = n_sent - 1 where job_no = %s and chunk_no = 1', :job_no)),
  '{the chunks'' counters equal the facts}', 'a chunk counts one too few');
select is(found(:'job', format('update campaign.email_jobs set sent_count = 2, failed_count = 1 where job_no = %s', :job_no)),
  '{the job''s counters equal the facts}', 'the job counts a sent mail as failed');
select ok('I1: each recipient is in one hand' = any (found(:'job', format(
    'update campaign.chunk set mark = 0, passed = 0, recorded = 0, state = ''ready'' where job_no = %1$s and chunk_no = 1;
     insert into campaign.retry_item (job_no, pos, due) values (%1$s, 1, now())', :job_no))), 'a recipient is in two hands');
select ok('I2: every attempt was allowed by a mark' = any (found(:'job', format(
    'update campaign.chunk set mark = 1, passed = 1, recorded = 1, state = ''ready'' where job_no = %s and chunk_no = 1', :job_no))), 'a mark went back below an attempt');
select is(found(:'job', format(
    'insert into campaign.attempt (job_no, pos, chunk_no, outcome, runner_id, epoch, at) values (%s, 1, 77, ''deferred'', gen_random_uuid(), 1, now())', :job_no)),
  '{I2: every attempt was allowed by a mark}', 'an attempt under a chunk that never was');
select ok('I3: what is passed is recorded, or open under a lease' = any (found(:'job', format(
    'delete from campaign.attempt where job_no = %1$s and pos = 3;
     insert into campaign.doubt (job_no, pos, chunk_no, cause, since, quiet_until) values (%1$s, 3, 77, ''x'', now(), now())', :job_no))), 'a passed position has no record');
select is(found(:'job', format(
    'insert into campaign.doubt (job_no, pos, chunk_no, cause, since, quiet_until, decision, decided_by, decided_at)
     values (%s, 1, 77, ''x'', now(), now(), ''fact'', ''x'', now())', :job_no)),
  '{every doubt is about an attempt that a mark allowed}', 'a doubt under a chunk that never was');
select ok('every retry under way is in the chunk that carries it' = any (found(:'job', format(
    'insert into campaign.retry_item (job_no, pos, due, chunk_no) values (%s, 1, now(), 1)', :job_no))), 'a retry that no retry chunk carries');
select is(found(:'job', format('update campaign.email_jobs set status = ''paused'', completed_at = null, cursor = 3 where job_no = %1$s;
    update campaign.chunk set state = ''ready'', mark = 2, passed = 0, recorded = 0 where job_no = %1$s and chunk_no = 2;
    update campaign.email_jobs set sent_count = 2 where job_no = %1$s;
    delete from campaign.attempt where job_no = %1$s and pos = 3;
    update campaign.chunk set n_sent = 0 where job_no = %1$s and chunk_no = 2', :job_no)),
  '{cursor: everybody up to it was attempted}', 'a cursor beyond what was attempted');
select is(found(:'job', format('update campaign.chunk set state = ''leased'', runner_id = gen_random_uuid(), recorded = 0 where job_no = %1$s and chunk_no = 1;
    delete from campaign.attempt where job_no = %1$s and pos in (1, 2);
    update campaign.chunk set n_sent = 0 where job_no = %1$s and chunk_no = 1;
    update campaign.email_jobs set status = ''running'', completed_at = null, sent_count = 1, cursor = 0, config = jsonb_set(config, ''{concurrency}'', ''0'') where job_no = %1$s', :job_no)),
  '{I3: no lease has more open than the window}', 'more is open than the window lets be');
select is(found(:'job', 'update campaign.doubt set resend_asked = true'), '{}', 'what was asked for breaks nothing');
select is(found(:'job', format('insert into campaign.retry_item (job_no, pos, due) values (%1$s, 1, now());
    update campaign.attempt set outcome = ''deferred'' where job_no = %1$s and pos = 1;
    update campaign.chunk set n_sent = n_sent - 1, dirty = true where job_no = %1$s and chunk_no = 1', :job_no)),
  '{what has ended has no work left}', 'a retry waits in a campaign that has ended');

select * from finish();
rollback;

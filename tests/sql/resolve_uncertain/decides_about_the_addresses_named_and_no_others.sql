begin;
\ir ../_protocol.sql
select plan(11);

select start_job(4) as job \gset
select claim(1);
select report(1, :job, 1, 4);
select report(1, :job, 1, null, '1 sent, 2 uncertain, 3 uncertain, 4 uncertain');
select campaign.tick();

select refused(format('select campaign.resolve_uncertain(%L, %L, %L)', job_id(:job), d.decision, d.emails), 'CP013', d.says, d.what)
from (values
  ('sent', '{p2@example.com,p1@example.com}', '{1 of 2,p1@example.com,Nothing was decided,uncertain_deliveries,explain_recipient}'::text[], 'one who has the mail'),
  ('resend', '{p2@example.com,eve@example.com}', '{eve@example.com}', 'a stranger'),
  ('sent', '{no address}', '{no address}', 'what is no address'),
  ('sent', '{NULL}', '{1 of 1}', 'null')) as d (decision, emails, says, what);
select is(states(:job), '1 sent, 2 uncertain, 3 uncertain, 4 uncertain', 'nothing was decided');

select campaign.resolve_uncertain(job_id(:job), 'sent', array[' P2@EXAMPLE.com ']);
select is(states(:job), '1 sent, 2 sent, 3 uncertain, 4 uncertain', 'one address, written in another way');
select campaign.resolve_uncertain(job_id(:job), 'resend', '{p3@example.com,P3@example.com}');
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 uncertain', 'one address, named twice');
select books_hold(:job);
select campaign.resolve_uncertain(job_id(:job), 'sent', '{}');
select is(states(:job), '1 sent, 2 sent, 3 pending, 4 uncertain', 'no address: nobody');
select campaign.resolve_uncertain(job_id(:job), 'sent');
select is(states(:job), '1 sent, 2 sent, 3 sent, 4 sent', 'all: also who waits to be mailed again');
select books_hold(:job);

select * from finish();
rollback;

-- start_campaign calls its parts with the rights of the operator, who could call them too.
begin;
\ir ../_fixtures.sql
select plan(5);

grant select on public.guest to campaign_operator;
set local role campaign_operator;
create temporary table opened as
  select (o.job).job_no as job_no
  from campaign._start_open('guests', (select slug from campaign.email_templates limit 1), null, null, '{}', null, null, null, null, 'hold', false, false, null, null, false) o;
select throws_ok('set constraints all immediate', 'CP011', null, 'a job without an audience is not committed');
insert into campaign.recipient (job_no, pos, recipient_key, email, vars)
select job_no, 7, 'k', 'ana@example.com', '{"name": "Ana", "first_name": "Ana"}' from opened;
select throws_ok('select campaign._start_seal(job_no) from opened', 'CP011', null, 'nor sealed with holes in its audience');
reset role;
delete from campaign.recipient;
set local role campaign_operator;
insert into campaign.recipient (job_no, pos, recipient_key, email, vars)
select job_no, 1, 'k', 'ana@example.com', '{"name": "Ana", "first_name": "Ana"}' from opened;
select throws_ok('insert into campaign.left_out (job_no, ord, reason) select job_no, 1, ''hacked'' from opened', '23514', null, 'nor with a reason that there is not');
select lives_ok('select campaign._start_seal(job_no) from opened', 'a whole one is');
select throws_ok('insert into campaign.recipient (job_no, pos, recipient_key, email, vars) select job_no, 2, ''k2'', ''eve@example.com'', ''{}'' from opened',
  '42501', null, 'and then nobody is added');

select * from finish();
rollback;

begin;
\ir ../_protocol.sql
select plan(12);

create function told(p_job bigint, p_email text) returns text language sql as $$
  select string_agg(concat_ws(' ', e.what, e.smtp_code), ' > ' order by e.n)
  from campaign.explain_recipient(job_id(p_job), p_email) with ordinality as e (at, what, phase, smtp_code, enhanced_code, verdict, class, detail, n)
$$;

select start_job(2) as job \gset
select is(told(:job, 'p1@example.com'), 'in the audience: pending', 'who waits');
select claim(1);
select report(1, :job, 1, 2);
select advance('1 s');
select report(1, :job, 1, null, '1 deferred 451, 2 uncertain');
select is(told(:job, ' P1@EXAMPLE.com '), 'in the audience: pending > deferred 451 > to be tried again', 'in whatever form the address is written');
select is(told(:job, 'p2@example.com'), 'in the audience: uncertain > uncertain > in doubt', 'a doubt');
select matches((select detail from campaign.explain_recipient(job_id(:job), 'p2@example.com') where what = 'in doubt'), 'no reply to the final dot; resolve_uncertain decides', 'its cause, and what to do');
select campaign.resolve_uncertain(job_id(:job), 'sent');
select matches((select detail from campaign.explain_recipient(job_id(:job), 'p2@example.com') where what = 'in doubt'), '; counted as sent by ' || session_user, 'who decided');
select retry(1) as again \gset
select report(1, :job, :again, 1);
select advance('1 s');
select report(1, :job, :again, null, '1 failed 550');
select is(told(:job, 'p1@example.com'), 'in the audience: failed > deferred 451 > failed 550', 'each attempt');
select campaign.retry_failed(job_id(:job));
select is(told(:job, 'p1@example.com'), 'in the audience: pending > deferred 451 > failed 550 > to be tried again', 'and what is still to come');
insert into campaign.suppressions (email) values ('p1@example.com');
select chunk_no as third from claim(1) \gset
select report(1, :job, :third, 1);
select is(told(:job, 'p1@example.com'), 'in the audience: failed > deferred 451 > failed 550 > suppressed', 'who was suppressed since');
select is((select phase from campaign.explain_recipient(job_id(:job), 'p1@example.com') where what = 'failed'), 'dot', 'where in the dialogue');
select is(told(:job, 'eve@example.com'), 'not in the audience', 'a stranger');

delete from campaign.suppressions;
select start_job(1) as judged \gset
select claim(2);
select report(2, :judged, 1, 1);
select reply(2, :judged, 1, 1, 'rcpt', '450 4.7.1 Greylisted');
select is((select (what, verdict, class, detail)::text from campaign.explain_recipient(job_id(:judged), 'p1@example.com') where what = 'deferred'),
  '(deferred,defer,temporary,"4.7.1 Greylisted")', 'what the rules made of a reply');
select is_empty(format('select from campaign.explain_recipient(%L, ''p1@example.com'') where verdict is not null or class is not null', job_id(:job)), 'nothing where nothing was judged');

select * from finish();
rollback;

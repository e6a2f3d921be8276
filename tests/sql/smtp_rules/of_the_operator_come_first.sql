begin;
select plan(6);

create function judged(p_phase text, p_reply text) returns text language sql as $$
  select concat_ws(' ', j.verdict, j.class) from campaign.judge_reply(p_phase, p_reply) j
$$;
select is(judged('rcpt', '550 5.1.1 no'), 'fail bad_address', 'a shipped rule');
set local role campaign_admin;
insert into campaign.smtp_rules (phase, code, reply, verdict, class, wait) values ('rcpt', '55.', 'moving house', 'defer', 'moving', '2 hours');
reset role;
select is((select (min(id) >= 1000, bool_or(builtin))::text from campaign.smtp_rules where class = 'moving'), '(t,f)', 'an own rule');
select is(judged('rcpt', '550 5.1.1 Moving House'), 'defer moving', 'is asked before the shipped ones');
select is(judged('rcpt', '550 5.1.1 no'), 'fail bad_address', 'and changes nothing else');
insert into campaign.smtp_rules (reply, verdict, class) values ('house', 'stop_job', 'house');
select is(judged('rcpt', '550 5.1.1 Moving House'), 'defer moving', 'among the own ones the first counts');
select is((select array_agg(r ->> 'class' order by o) from jsonb_array_elements(campaign._smtp_rules_spec()) with ordinality as x (r, o) where o <= 3),
  '{moving,house,recycle}', 'runners get them in this order');

select * from finish();
rollback;

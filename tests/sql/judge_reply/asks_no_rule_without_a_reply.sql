begin;
\ir ../_judged.sql
select plan(15);

insert into campaign.smtp_rules (verdict, class) values ('stop_job', 'everything');
insert into said (phase, reply, verdict) values
  ('resolve', null, 'defer'), ('connect', null, 'defer'), ('tls', null, 'defer'), ('greeting', null, 'defer'), ('ehlo', null, 'defer'), ('auth', null, 'defer'),
  ('mail', null, 'defer'), ('rcpt', null, 'defer'), ('data', null, 'defer'), ('body', null, 'defer'), ('dot', null, 'uncertain'), ('render', null, 'fail'),
  ('dot', '250 ok', 'sent'), ('dot', '354 ok', 'uncertain'), ('dot', '', 'uncertain');
select judged_as_said();

select * from finish();
rollback;

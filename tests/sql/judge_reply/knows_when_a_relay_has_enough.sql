begin;
\ir ../_judged.sql
select plan(26);

insert into said (phase, reply, verdict, class, suppress) values
  ('greeting', '421 4.3.2 Too many connections', 'slow_down', 'rate', false),
  ('ehlo', '421 Try later', 'slow_down', 'rate', false),
  ('auth', '421 4.7.0 Too much', 'slow_down', 'rate', false),
  ('rcpt', '421 4.3.2 System shutting down', 'slow_down', 'rate', false),
  ('dot', '421 4.4.2 Timeout', 'slow_down', 'rate', false),
  ('mail', '421 4.5.3 Maximum message count per session reached', 'reconnect', 'recycle', false),
  ('mail', '421 Max message per connection reached, closing transmission channel', 'reconnect', 'recycle', false),
  ('mail', '421 too many messages in this connection', 'reconnect', 'recycle', false),
  ('mail', '421 4.4.2 relay.example.com Error: timeout exceeded', 'reconnect', 'recycle', false),
  ('rcpt', '450 4.7.0 Try again later', 'slow_down', 'rate', false),
  ('dot', '421 4.7.26 This mail is unauthenticated', 'slow_down', 'rate', false),
  ('dot', '450 4.7.28 Gmail has detected an unusual rate of mail', 'slow_down', 'rate', false),
  ('mail', '451 4.7.32 From: header is not aligned', 'slow_down', 'rate', false),
  ('mail', '421 4.7.0 [TSS04] Messages temporarily deferred due to user complaints', 'slow_down', 'rate', false),
  ('mail', '451 [TS01] Messages temporarily deferred', 'slow_down', 'rate', false),
  ('dot', '454 Throttling failure: Maximum sending rate exceeded.', 'slow_down', 'rate', false),
  ('auth', '454 Throttling failure: Maximum sending rate exceeded.', 'slow_down', 'rate', false),
  ('mail', '454 Throttling failure: Daily message quota exceeded.', 'slow_down', 'quota', false),
  ('dot', '454 Throttling failure: Daily message quota exceeded.', 'slow_down', 'quota', false),
  ('mail', '550 5.4.5 Daily user sending limit exceeded', 'slow_down', 'quota', false),
  ('dot', '550-5.4.5 Daily user sending quota exceeded. For more', 'slow_down', 'quota', false),
  ('rcpt', '452 4.4.5 Insufficient disk space', 'slow_down', 'quota', false);
select judged_as_said();
select is((select wait from campaign.judge_reply('dot', '454 Throttling failure: Daily message quota exceeded.')), '1 hour', 'a quota holds for an hour at a time');
select is((select what from campaign.judge_reply('dot', '454 Throttling failure: Daily message quota exceeded.')),
  'Nothing goes over the relay for 01:00:00. The recipient is tried again, not before 01:00:00.', 'in words');
select is((select what from campaign.judge_reply('greeting', '421 no')), 'Everything over the relay goes at half the rate. The runner opens another connection later; no recipient spends a try.', 'before MAIL no recipient is concerned');
select is((select (wait, tries)::text from campaign.judge_reply('rcpt', '452 4.2.2 full')), '(00:30:00,3)', 'a full mailbox is asked three times');

select * from finish();
rollback;

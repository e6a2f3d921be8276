begin;
\ir ../_refused.sql
select plan(6);

select refused($$ select campaign.judge_reply('lunch', '550 no') $$, 'CP008', '{lunch,rcpt}', 'an unknown phase');
select refused($$ select campaign.judge_reply(null, '550 no') $$, 'CP008', '{rcpt}', 'no phase');
select refused($$ select campaign.judge_reply('rcpt', 'No such user') $$, 'CP008', '{No such user,three digits}', 'a text without a code');
select refused($$ select campaign.judge_reply('rcpt', '5.1.1 No such user') $$, 'CP008', '{three digits}', 'an enhanced code without a code');
select refused($$ select campaign.judge_reply('rcpt', '650 No') $$, 'CP008', '{three digits}', 'a code that no server sends');
set local role campaign_reader;
select lives_ok($$ select campaign.judge_reply('rcpt', '550 no') $$, 'readers may ask');

select * from finish();
rollback;

begin;
\ir ../_protocol.sql
create table public.guest (id integer, name text, email text);
insert into public.guest select g, 'N', format('p%s@example.com', g) from generate_series(1, 2) g;
insert into campaign.segments (name, query)
values ('guests', 'select id::text as recipient_key, email, ''{"name": "N", "first_name": "F"}''::jsonb as vars from public.guest order by id');
\ir ../_tokens.sql
select plan(18);

create role ana in role campaign_admin;
grant usage on schema public to ana;
create function retire(p_key_id integer) returns void language sql as $$
  update campaign.signing_key set retired_at = campaign.now() where key_id = p_key_id
$$;

select job_no as running, id as running_id from campaign.start_campaign('guests', 'news', track_clicks => true) \gset
select job_no as scheduled, id as scheduled_id from campaign.start_campaign('guests', 'news', track_clicks => true, allow_repeat => true, scheduled_at => campaign.now() + interval '1 day') \gset
select claim(1);
select report(1, :running, 1, 2);
select is(campaign.rotate_signing_key(), 2, 'a key that others know is replaced');
set local role ana;
select refused('select retire(1)', 'CP011', array['2 campaigns', :'running_id', 'dead', 'Cancel them', 'wait'], 'but not retired while campaigns of it have not ended');
reset role;
select refused('select retire(1)', 'CP011', '{}', 'whoever asks');
select campaign.pause_campaign(:'running_id');
select refused('select retire(1)', 'CP011', '{}', 'a pause is no end');
select campaign.resume_campaign(:'running_id');
select campaign.cancel_campaign(:'scheduled_id');
select refused('select retire(1)', 'CP011', array['1 campaign ', :'running_id'], 'one of them is left');
select lives_ok('select retire(2)', 'a key without campaigns can be retired');
update campaign.signing_key set retired_at = null where key_id = 2;
select report(1, :running, 1, null, '1 failed 550, 2 uncertain');
select campaign.tick();
select is(status(:running), 'completed', 'the last of them has ended');
set local role ana;
select lives_ok('select retire(1)', 'now the key can be retired');
select lives_ok('select retire(1)', 'twice, too');
reset role;
select is(campaign.click_url(token('click', :running, 1, 1)), null, 'its links are dead');

select refused(format('select campaign.retry_failed(%L)', :'running_id'), 'CP011', array[:'running_id', 'key 1 is retired', 'dead', 'new campaign'], 'so nobody is tried again');
select refused(format('select campaign.resolve_uncertain(%L, ''resend'')', :'running_id'), 'CP011', array[:'running_id', 'key 1 is retired', 'dead', 'new campaign'], 'nor mailed again');
select is(states(:running), '1 failed, 2 uncertain', 'nothing was decided');
select campaign.resolve_uncertain(:'running_id', 'sent');
select is(states(:running), '1 failed, 2 sent', 'what mails nobody may be decided');
select books_hold(:running);

-- A campaign without links has no key.
delete from campaign.setting where name = 'public_url';
select job_no as plain, id as plain_id from campaign.start_campaign('guests', 'letter', allow_repeat => true) \gset
select chunk_no as chunk from claim(1) \gset
select report(1, :plain, :chunk, 2);
select report(1, :plain, :chunk, null, '1 failed 550, 2 failed 550');
select campaign.tick();
select lives_ok('select retire(2)', 'campaigns without links hold no key');
select lives_ok(format('select campaign.retry_failed(%L)', :'plain_id'), 'nor does any hold them');
select is(states(:plain), '1 pending, 2 pending', 'they go on');

select * from finish();
rollback;

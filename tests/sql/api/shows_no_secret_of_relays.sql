begin;
\ir ../_fixtures.sql
insert into campaign.email_integrations (name, config)
values ('other', '{"host": "h", "port": 25, "username": "hunter2", "password": "hunter2", "from_email": "a@example.com", "headers": {"X-Key": "hunter2"}, "ca_file": "/hunter2"}');
create role rita in role campaign_reader;
select plan(3);

set local role rita;
select campaign._api_integrations() as told \gset
select is(jsonb_array_length(:'told'::jsonb -> 'integrations'), 2, 'all relays');
select is(strpos(:'told', 'hunter2'), 0, 'and nothing that could be a secret');
select is(:'told'::jsonb #> '{integrations,0,config}', '{"host": "h", "port": 25, "from_email": "a@example.com"}', 'where they are, and who sends');

select * from finish();
rollback;

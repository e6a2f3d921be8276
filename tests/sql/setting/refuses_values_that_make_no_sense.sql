begin;
\ir ../_fixtures.sql
select plan(27);

create function tried(p_url text) returns boolean language plpgsql as $$
begin
  insert into campaign.setting values ('public_url', p_url) on conflict (name) do update set value = excluded.value;
  return true;
end
$$;

select refused($$ update campaign.setting set value = 'tea time' where name = 'clock' $$, 'CP008', '{clock,"tea time",timestamp}', 'clock');
select refused($$ insert into campaign.setting values ('stale_after', 'soon') $$, 'CP008', '{stale_after,soon,interval}', 'interval');
select refused($$ insert into campaign.setting values ('stale_after', '20 s') $$, 'CP008', '{fence_after (00:00:20) < stale_after (00:00:20)}', 'stale as soon as fenced');
select refused($$ insert into campaign.setting values ('heartbeat_every', '0') $$, 'CP008', '{heartbeat_every (00:00:00)}', 'no pause between heartbeats');
select refused($$ insert into campaign.setting values ('event_check', 'public.no_such_function') $$, 'CP008', '{public.no_such_function(uuid)}', 'event_check');
select throws_ok($$ insert into campaign.setting values ('colour', 'red') $$, '23514', null, 'unknown setting');

select refused(format('insert into campaign.setting values (%L, %L)', 'public_url', v), 'CP008', '{public_url,https://mail.example.com}', 'public_url ' || left(v, 60))
from unnest(array['', 'mail.example.com', 'ftp://mail.example.com', 'javascript:alert(1)', 'https://', 'https://mail.example.com/', 'https://mail.example.com/?a=1',
  'https://mail.example.com/#a', 'https://user:word@mail.example.com', 'https://mail.example.com/a b', 'https://mail.example.com/a"b', 'https://bücher.example',
  'https://mail.example.com' || chr(10), 'https://' || repeat('a', 193)]) v;
select refused(format('insert into campaign.setting values (%L, %L)', 'public_url', v), 'CP008', '{public_url,https}', 'public_url ' || v)
from unnest(array['http://mail.example.com', 'http://127.0.0.1.example.com', 'http://localhost.example.com']) v;
select is((select array_agg(tried(v) order by v) from unnest(array['https://mail.example.com', 'https://mail.example.com:8443/mail/a', 'http://127.0.0.1:8080',
  'http://localhost', 'http://[::1]:8080/x', 'https://[2001:db8::1]']) v), '{t,t,t,t,t,t}', 'public_url may be any https address, or one of this machine');
select refused($$ insert into campaign.setting values ('reader_details', 'all') $$, 'CP008', '{reader_details,reduced,full}', 'reader_details');

insert into campaign.setting values ('stale_after', '2 min'), ('fence_after', '90 s');
select is(campaign.register_runner(gen_random_uuid(), 'host', 1, '0.1.0', 1), '{"heartbeat_ms": 5000, "fence_ms": 90000, "stale_ms": 120000}', 'runners are told the times that hold');
select refused($$ delete from campaign.setting where name = 'stale_after' $$, 'CP008', '{fence_after (00:01:30) < stale_after (00:00:30)}', 'a default that does not fit the others');

select * from finish();
rollback;

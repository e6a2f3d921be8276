begin;
\ir ../_fixtures.sql
\ir ../_meetup.sql
select plan(5);

create function audience(p_segment text, p_event uuid, p_keys text[] default null) returns setof text language plpgsql as $$
declare
  v_job_no bigint;
begin
  select job_no into v_job_no from campaign.start_campaign(p_segment, 'thanks', p_event, audience_keys => p_keys);
  return query
    select format('%s %s %s %s', recipient_key, email, vars ->> 'name', vars ->> 'first_name')
    from campaign.recipient
    where job_no = v_job_no
    order by pos;
end
$$;

select results_eq(format('select audience(''checked-in'', %L)', :'event'),
  $$ values ('11 zoe@example.com Zoë Came Zoë'), ('12 max@example.com Max Mustermann Max Mustermann') $$, 'who came; without a first name the whole name stands in');
select results_eq(format('select audience(''no-show'', %L)', :'event'), $$ values ('13 ivy@example.com Ivy Stayed Ivy') $$, 'approved and did not come');
select results_eq(format('select audience(''waitlist'', %L)', :'event'), $$ values ('14 bo@example.com Bo Waited Bo') $$, 'waited');
select results_eq(format('select audience(''checked-in'', %L)', :'other_event'), $$ values ('13 ivy@example.com Ivy Stayed Ivy') $$, 'each event has its own');
select results_eq(format('select audience(''custom'', %L, ''{14,11}'')', :'event'),
  $$ values ('11 zoe@example.com Zoë Came Zoë'), ('14 bo@example.com Bo Waited Bo') $$, 'custom: the keys given');

select * from finish();
rollback;

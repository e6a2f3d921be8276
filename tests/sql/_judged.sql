-- A table of replies and what they mean, and its test.
create temporary table said (nr integer generated always as identity, phase text, reply text, verdict text, class text, suppress boolean default false);

create function judged_as_said() returns setof text language sql as $$
  select is(
    (select concat_ws(' ', j.verdict, j.class, case when j.suppress then 'suppressed' end) from campaign.judge_reply(s.phase, s.reply) j),
    concat_ws(' ', s.verdict, s.class, case when s.suppress then 'suppressed' end),
    s.phase || ': ' || coalesce(s.reply, 'no reply'))
  from said s
  order by s.nr
$$;

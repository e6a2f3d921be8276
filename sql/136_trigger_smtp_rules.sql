-- The table's CHECKs hold whatever happens; this says it in words, and keeps the shipped rules as they are.
create function campaign._keep_smtp_rules()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_fault text;
begin
  if tg_op <> 'INSERT' and old.builtin then
    raise exception using
      errcode = 'CP008',
      message = format('rule %s is shipped with pg_campaign: it cannot be changed or deleted', old.id),
      detail = 'The next version may ship another.',
      hint = 'Add a row of your own: it is asked first.';
  end if;
  if tg_op = 'DELETE' then
    return old;
  end if;

  v_fault := case
    when new.builtin or new.id < 1000 then 'ids below 1000 and builtin are for the rules shipped with pg_campaign'
    when new.verdict is null then 'verdict is missing'
    when coalesce(new.class, '') !~ '^[a-z][a-z_]{0,39}$' then 'class is not one word in lower case'
    when least(new.phase, new.code, new.enhanced, new.reply) = '' then 'a pattern is empty'
    when greatest(length(new.code), length(new.enhanced), length(new.reply)) > 1000 then 'a pattern has more than 1000 characters'
    when new.phase in ('tls', 'greeting', 'ehlo', 'auth') and new.verdict in ('fail', 'reconnect') then format('verdict %s concerns a recipient, and in phase %s there is none', new.verdict, new.phase)
    when new.wait is not null and new.verdict not in ('defer', 'slow_down') then format('after verdict %s nothing waits', new.verdict)
    when new.wait not between interval '1 s' and interval '7 days' then 'wait is not between a second and 7 days'
    when new.tries is not null and new.verdict not in ('defer', 'slow_down') then format('after verdict %s nothing is tried again', new.verdict)
    when new.tries not between 1 and 20 then 'tries is not between 1 and 20'
    when new.suppress is null then 'suppress is null'
    when new.suppress and not (new.verdict = 'fail' and new.class in ('bad_address', 'inactive')) then 'suppress goes with verdict fail and class bad_address or inactive only'
    else campaign._check_smtp_rule(new.phase, new.code, new.enhanced, new.reply, new.verdict) end;
  if v_fault is not null then
    raise exception using
      errcode = 'CP008',
      message = format('this rule cannot be used: %s', v_fault),
      detail = 'phase, code, enhanced and reply say which replies it fits (null: any); verdict, class, wait, tries and suppress what they mean.',
      hint = 'For example: insert into campaign.smtp_rules (phase, code, reply, verdict, class, wait) values (''rcpt'', ''45.'', ''come back later'', ''defer'', ''temporary'', ''10 min'').';
  end if;
  return new;
end
$$;

create trigger rule_can_be_used
before insert or update or delete on campaign.smtp_rules
for each row execute function campaign._keep_smtp_rules();

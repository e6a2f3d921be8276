create function campaign.judge_reply(
  phase text,
  reply text default null,
  out verdict text,
  out class text,
  out rule integer,
  out wait interval,
  out tries integer,
  out suppress boolean,
  out advice text,
  out what text
)
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  c_phases constant text[] := array['resolve', 'connect', 'tls', 'greeting', 'ehlo', 'auth', 'mail', 'rcpt', 'data', 'body', 'dot', 'render'];
  c_reply constant text := nullif(btrim(judge_reply.reply), '');
  v_judged record;
  v_rule campaign.smtp_rules;
begin
  if judge_reply.phase is null or not judge_reply.phase = any (c_phases) then
    raise exception using
      errcode = 'CP008',
      message = format('there is no phase %L', left(judge_reply.phase, 80)),
      detail = format('The phases of an SMTP dialogue are %s.', array_to_string(c_phases, ', ')),
      hint = 'The reply to RCPT TO comes in phase rcpt, the reply to the whole mail in phase dot.';
  end if;
  select j.* into v_judged from campaign._judge_reply(judge_reply.phase, c_reply, campaign._smtp_rules_spec()) j;
  if not found then
    raise exception using
      errcode = 'CP008',
      message = format('this is no reply: %L', left(c_reply, 80)),
      detail = 'A reply begins with a code of three digits (RFC 5321 section 4.2).',
      hint = 'Write it as the relay does: 550 5.1.1 No such user. Leave it out to see what happens without a reply.';
  end if;

  select r.* into v_rule from campaign.smtp_rules r where r.id = v_judged.rule;
  verdict := v_judged.verdict;
  class := v_judged.class;
  rule := v_judged.rule;
  wait := v_rule.wait;
  tries := v_rule.tries;
  suppress := v_rule.suppress;
  advice := v_rule.advice;
  what := case
    when verdict = 'sent' then 'The mail counts as sent.'
    when verdict = 'uncertain' then 'Nobody can know whether the relay accepted the mail: the recipient is uncertain.'
    when verdict = 'stop_job' and judge_reply.phase in ('tls', 'greeting', 'ehlo', 'auth') then 'Every campaign over the relay is paused.'
    when verdict = 'stop_job' then 'The campaign is paused; the recipient spends no try.'
    when verdict = 'reconnect' then 'The mail is sent at once over another connection; the recipient spends no try.'
    when verdict = 'fail' then concat('The recipient has failed', case when suppress then ', and the address is suppressed' end, '.')
    else concat_ws(' ',
      case
        when verdict = 'slow_down' and class = 'quota' then format('Nothing goes over the relay for %s.', coalesce(wait, interval '1 hour'))
        when verdict = 'slow_down' then 'Everything over the relay goes at half the rate.' end,
      case
        when judge_reply.phase in ('resolve', 'connect', 'tls', 'greeting', 'ehlo', 'auth') then 'The runner opens another connection later; no recipient spends a try.'
        when c_reply is null then 'The recipient is tried again after 1, 2, 4, 8 seconds, max_retries times in all.'
        else concat('The recipient is tried again', case when wait is not null then format(', not before %s', wait) end,
          case when tries is not null then format(', and has failed after %s such answers', tries) end, '.') end)
  end;
end
$$;

comment on function campaign.judge_reply(text, text) is
'What a reply of a relay would mean, by the rules in campaign.smtp_rules. phase: where in the SMTP dialogue it comes, such as mail, rcpt or dot. reply: as the relay writes it, with its code; null: the connection is lost instead. Returns verdict, class, rule (null: none fits), wait, tries, suppress and advice of the rule, and what would happen, in words. CP008: no such phase, or no reply.';

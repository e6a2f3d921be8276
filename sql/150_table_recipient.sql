create table campaign.recipient (
  job_no bigint not null,
  pos bigint not null,
  recipient_key text not null,
  email text not null,
  vars jsonb not null,
  primary key (job_no, pos),
  constraint vars_is_an_object check (jsonb_typeof(vars) = 'object'),
  constraint vars_hold_what_mails_can_carry check (not jsonb_path_exists(vars,
    'strict $.* ? (@.type() != "string" && (@.type() == "object" || @.type() == "array" || (@.type() == "number" && (@ > 1e15 || @ < -1e15))))'))
);

comment on table campaign.recipient is
'The audience as frozen at the start: positions 1…N without gaps, so that chunk ranges are arithmetic. Written once, never updated.';

-- In order: the first that fits decides. A row without a phase that stands below one that takes all of a phase means the rest.
insert into campaign.smtp_rules (builtin, id, phase, code, enhanced, reply, verdict, class, wait, tries, suppress, advice, note)
select true, r.*
from (values
  -- The connection.
  (1, 'mail', '4..', null, '(messages?|mails?)( count)? (per|in|on|for) (this |the |a |your )?(session|connection)', 'reconnect', 'recycle', null::interval, null::integer, false, null,
    'The relay takes so many mails over a connection.'),
  (2, 'mail', '421', null, 'idle|time(d )?[ -]?out', 'reconnect', 'recycle', null, null, false, null, 'A connection that was kept too long.'),

  -- The recipient, in words that could be about the relay too.
  (3, 'rcpt', '5..', '5\.1\.([01236]|10)', null, 'fail', 'bad_address', null, null, true, null, 'No such mailbox, no such domain, a domain that takes no mail (RFC 7505).'),
  (4, 'rcpt', null, '[45]\.2\.2', null, 'defer', 'mailbox_full', '30 min', 3, false, null, null),
  (5, 'rcpt', '4..', '4\.2\.1', null, 'defer', 'recipient_rate', '1 hour', null, false, null, 'Gmail: this mailbox gets mail too fast.'),
  (6, 'rcpt', '5..', '5\.2\.1', '\b(rate|too (fast|quickly|many|much))\b', 'defer', 'recipient_rate', '1 hour', null, false, null, 'Gmail: this mailbox gets mail too fast, told as permanent.'),
  (7, 'rcpt', null, null, '\b(recipient|mailbox)\b[^,;.]*\b(has exceeded|is over|is full|over quota)\b', 'defer', 'mailbox_full', '30 min', 3, false, null, null),

  -- The day is used up.
  (10, null, null, null, 'daily .*(quota|limit)|(quota|limit) .*(per|a|each) day|24[ -]hours? .*(quota|limit)|(quota|limit) .*24[ -]hours?', 'slow_down', 'quota', '1 hour', null, false,
    'Wait for the next day, ask the provider for more, or set daily_quota of the integration.', 'SES: 454 Throttling failure: Daily message quota exceeded.'),
  (11, null, null, '[45]\.4\.5', null, 'slow_down', 'quota', '1 hour', null, false,
    'Wait for the next day, ask the provider for more, or set daily_quota of the integration.', 'Gmail: 550 5.4.5 Daily user sending quota exceeded.'),

  -- Too fast.
  (20, null, '421', null, null, 'slow_down', 'rate', null, null, false, null, 'The server closes the connection: it has too much to do, or is shutting down (RFC 5321 section 3.8).'),
  (21, null, '4..', null, 'throttl|rate (limit )?exceeded|too many (messages|mails|e-?mails|connections)|slow down', 'slow_down', 'rate', null, null, false, null, 'SES: 454 Throttling failure: Maximum sending rate exceeded.'),
  (22, null, null, null, '\[TS[0-9]{2}\]', 'slow_down', 'rate', null, null, false, null, 'Yahoo.'),

  -- Who we are to the relay.
  (28, 'auth', '5..', null, 'must (issue|use|do) (a )?starttls|starttls (is |command )?(required|first)|(encryption|tls) (is )?required', 'stop_job', 'tls', null, null, false,
    'Set "tls": "starttls" or "implicit" in the integration''s config.', '538 5.7.11 Encryption required (RFC 4954).'),
  (30, 'mail', '5..', null, 'must (issue|use|do) (a )?starttls|starttls (is |command )?(required|first)|(encryption|tls) (is )?required', 'stop_job', 'tls', null, null, false,
    'Set "tls": "starttls" or "implicit" in the integration''s config.', '530 5.7.0 Must issue a STARTTLS command first (RFC 3207).'),
  (29, 'rcpt', '530', null, 'starttls', 'stop_job', 'tls', null, null, false, 'Set "tls": "starttls" or "implicit" in the integration''s config.', '530 5.7.0 Must issue a STARTTLS command first (RFC 3207).'),
  (31, null, '5..', null, '(authentication|log ?in) (is )?required|must authenticate|authenticate first|not authenticated', 'stop_job', 'auth', null, null, false,
    'Set username and password in the integration''s config.', null),
  (32, null, '503', null, null, 'defer', 'client_bug', null, null, false, null, 'Commands in a wrong order: a bug of the runner, or of the relay.'),
  (33, 'auth', '454', null, null, 'defer', 'temporary', null, null, false, null, '454 4.7.0 Temporary authentication failure (RFC 4954).'),
  (34, null, '432', null, null, 'stop_job', 'auth', null, null, false, 'Set a new password at the provider, then in the integration''s config.', '432 4.7.12 A password transition is needed (RFC 4954).'),
  (35, 'auth', '5..', null, null, 'stop_job', 'auth', null, null, false, 'Check username and password in the integration''s config. Some providers want a password made for applications, or an API key.', null),
  (36, null, '53[0458]', null, null, 'stop_job', 'auth', null, null, false, 'Check username, password and "tls" in the integration''s config.', 'RFC 4954 section 6.'),
  (42, null, '5..', '5\.7\.14', null, 'stop_job', 'auth', null, null, false, 'Log in at the provider, which wants to see you, then check username and password in the integration''s config.', 'Gmail: 534 5.7.14 Please log in via your web browser.'),
  (43, null, '5..', null, 'not authori[sz]ed to perform', 'stop_job', 'auth', null, null, false, 'Give the account the right to send at the provider.', 'SES: 554 Access denied: User is not authorized to perform ses:SendRawEmail.'),
  (37, 'tls', '4..', null, null, 'defer', 'tls', null, null, false, null, '454 TLS not available due to temporary reason (RFC 3207).'),
  (38, 'tls', '5..', null, null, 'stop_job', 'tls', null, null, false, 'The relay refuses STARTTLS: check port and "tls" in the integration''s config.', null),
  (39, 'greeting', '5..', null, null, 'stop_job', 'refused', null, null, false, 'The relay does not talk to this host: check host and port, and ask its operator whether the runner''s address is blocked.', 'RFC 5321 section 3.1: 554 instead of 220.'),
  (40, 'ehlo', '5..', null, null, 'stop_job', 'refused', null, null, false, 'The relay refuses the runner''s host name: give the host a name that DNS knows.', '501, 504, 550 to EHLO.'),
  (41, null, '4..', '4\.7\.(0|2[6-9]|3[0-2])', null, 'slow_down', 'rate', null, null, false, null, 'Gmail, Yahoo: too much at once, or senders without SPF, DKIM, DMARC.'),

  -- The sender, who is the same for everybody.
  (50, null, '5..', '5\.6\.7', null, 'fail', 'address', null, null, false, null, 'The address needs SMTPUTF8 (RFC 6531), which the relay does not offer.'),
  (51, null, '5..', null, 'sender (e-?mail )?(address )?(is )?(rejected|refused|denied|not (allowed|authori[sz]ed|verified))|not owned by (user|sender)|send ?as ?denied|permissions? to send as', 'stop_job', 'sender', null, null, false,
    'Use a from_email that this account may send from.', null),
  (52, null, '5..', '5\.1\.[78]', null, 'stop_job', 'sender', null, null, false, 'Use a from_email whose domain exists and takes mail.', null),
  (55, null, '5..', null, 'from address does not match|sender identity', 'stop_job', 'sender', null, null, false,
    'Verify the sender at the provider, or use a from_email that is verified.', 'SendGrid: 550 The from address does not match a verified Sender Identity.'),
  (56, 'dot', '5..', null, 'sending (is |has been )?(suspended|paused|disabled)|account (is |has been )?(suspended|under review)', 'stop_job', 'sender', null, null, false,
    'The account may not send now: see what the provider says.', 'SES: 554 Sending suspended for this account.'),
  (53, null, '5..', null, '(address|identity|domain|sender)s? (is |are )?not (yet )?verified', 'stop_job', 'sender', null, null, false,
    'Verify the sender''s domain at the provider; in a sandbox it also takes verified recipients only.', 'SES: 554 Message rejected: Email address is not verified, after the final dot.'),
  (54, 'rcpt', '[45]..', null, 'rcpthosts|relay(ing)?( access)?( is)? (denied|prohibited|not (allowed|permitted))|unable to relay|not permitted to relay|(do|does) not relay', 'stop_job', 'relay_denied', null, null, false,
    'The relay does not take mail from us for others: check username, password and port in the integration''s config.', null),

  -- The mail, which is the same for everybody.
  (60, null, '5..', '5\.3\.4|5\.2\.3', null, 'stop_job', 'content', null, null, false, 'The mail is too large for the relay: shorten the template.', null),
  (61, null, '5..', '5\.6\.[0-9]+', null, 'stop_job', 'content', null, null, false, 'The relay does not take the mail as it is made: look at the template and at headers in config.', null),
  (62, null, '5..', null, '(message|mail) (size |length )?(is )?(too (large|big|long)|exceeds)|maximum (message|mail) size', 'stop_job', 'content', null, null, false, 'The mail is too large for the relay: shorten the template.', null),
  (63, 'mail', '501|504|555', null, null, 'stop_job', 'protocol', null, null, false, 'The relay does not understand MAIL FROM: check from_email.', null),
  (64, 'mail', '5..', null, null, 'stop_job', 'sender', null, null, false, 'The relay refuses the sender: use a from_email that this account may send from.', 'RFC 5321 section 4.5.4.1: may be otherwise later.'),

  -- The recipient.
  (70, null, '5..', '5\.1\.([01236]|10)', null, 'fail', 'bad_address', null, null, true, null, 'No such mailbox, no such domain, a domain that takes no mail (RFC 7505).'),
  (71, null, '5..', '5\.7\.13', null, 'fail', 'bad_address', null, null, true, null, '525 5.7.13 User account disabled.'),
  (72, null, '5..', '5\.2\.1|5\.7\.17', null, 'fail', 'inactive', null, null, true, null, 'A mailbox that is disabled, or has a new owner (RFC 7293).'),
  (73, 'rcpt', '4..', '4\.2\.1', null, 'defer', 'recipient_rate', '1 hour', null, false, null, 'Gmail: this mailbox gets mail too fast.'),
  (74, null, null, '[45]\.2\.2', null, 'defer', 'mailbox_full', '30 min', 3, false, null, null),
  (75, null, null, '[45]\.5\.3', null, 'defer', 'too_many_rcpt', '5 min', 3, false, null, 'A mail has one recipient: so it is their number over time.'),
  (76, 'rcpt', '4..', '4\.7\.1|4\.[34]\.[0-9]+', null, 'defer', 'temporary', '5 min', null, false, null, 'Greylisting, or a server in trouble.'),
  (77, 'rcpt', '4..', null, 'gr[ae]y[ -]?list', 'defer', 'temporary', '5 min', null, false, null, null),
  (78, 'rcpt', '45[01]', null, null, 'defer', 'temporary', '5 min', null, false, null, null),
  (79, 'dot', '4..', '4\.[347]\.[0-9]+', null, 'defer', 'temporary', null, null, false, null, null),
  (80, null, '5..', '5\.7\.[0-9]+', null, 'fail', 'policy', null, null, false, null, 'SPF, DKIM, DMARC, reputation, spam. Says nothing of the address.'),
  (82, null, '571', null, null, 'fail', 'policy', null, null, false, null, 'Not a code of RFC 5321, but in use.'),
  (83, 'rcpt', '452|552', null, null, 'defer', 'mailbox_full', '30 min', 3, false, null, null),
  (84, 'dot', '452|552', null, null, 'defer', 'mailbox_full', '30 min', 3, false, null, null),
  (85, null, '55[0134]', null, 'no such (user|mailbox|recipient|address)|(user|recipient|mailbox|address)( .*)? (unknown|not found|does ?n.t exist|does not exist)|unknown (user|recipient|mailbox)|(bad|invalid|malformed) (recipient|address|mailbox)', 'fail', 'bad_address', null, null, true, null, 'Servers without enhanced codes.'),
  (86, 'rcpt', '501', null, '(bad|invalid|malformed) (recipient|address|mailbox)|address syntax', 'fail', 'bad_address', null, null, true, null, null),
  (87, 'rcpt', '501|504|555', null, null, 'stop_job', 'protocol', null, null, false, 'The relay does not understand RCPT TO: look at its log.', null),
  (88, null, '5..', null, '\b(spam|unsolicited|junk|dmarc|spf|dkim|dnsbl|rbl|block ?list(ed)?|black ?list(ed)?|reputation|policy)\b', 'fail', 'policy', null, null, false, null, null)
) as r (id, phase, code, enhanced, reply, verdict, class, wait, tries, suppress, advice, note);

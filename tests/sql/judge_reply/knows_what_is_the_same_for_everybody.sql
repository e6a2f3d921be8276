-- What would burn one recipient after the other pauses the campaign instead, with advice.
begin;
\ir ../_judged.sql
select plan(49);

insert into said (phase, reply, verdict, class) values
  ('auth', '535 5.7.8 Authentication credentials invalid', 'stop_job', 'auth'),
  ('auth', '535 Incorrect authentication data', 'stop_job', 'auth'),
  ('auth', '534 5.7.9 Authentication mechanism is too weak', 'stop_job', 'auth'),
  ('auth', '534 5.7.14 Please log in via your web browser', 'stop_job', 'auth'),
  ('auth', '538 5.7.11 Encryption required for requested authentication mechanism', 'stop_job', 'tls'),
  ('auth', '504 5.5.4 Unrecognized authentication type', 'stop_job', 'auth'),
  ('auth', '432 4.7.12 A password transition is needed', 'stop_job', 'auth'),
  ('auth', '454 4.7.0 Temporary authentication failure', 'defer', 'temporary'),
  ('mail', '530 5.7.0 Authentication required', 'stop_job', 'auth'),
  ('mail', '530-5.5.1 Authentication Required', 'stop_job', 'auth'),
  ('mail', '503 5.5.1 Error: authentication required', 'stop_job', 'auth'),
  ('rcpt', '538 Encryption is what this needs', 'stop_job', 'auth'),
  ('mail', '530 5.7.0 Must issue a STARTTLS command first', 'stop_job', 'tls'),
  ('auth', '530 5.7.0 Must issue STARTTLS', 'stop_job', 'tls'),
  ('tls', '454 4.7.0 TLS not available due to local problem', 'defer', 'tls'),
  ('tls', '502 5.5.1 Command not implemented', 'stop_job', 'tls'),
  ('greeting', '554 5.7.1 No SMTP service here', 'stop_job', 'refused'),
  ('greeting', '450 4.3.2 Not now', 'defer', null),
  ('ehlo', '501 Syntactically invalid EHLO argument', 'stop_job', 'refused'),
  ('ehlo', '504 5.5.2 Helo command rejected: need fully-qualified hostname', 'stop_job', 'refused'),
  ('mail', '550 5.1.8 Sender address rejected: Domain not found', 'stop_job', 'sender'),
  ('mail', '550 5.7.1 Sender not allowed', 'stop_job', 'sender'),
  ('mail', '550 5.7.27 Sender address has null MX', 'stop_job', 'sender'),
  ('mail', '553 You may not be', 'stop_job', 'sender'),
  ('rcpt', '553 5.7.1 <a@example.com>: Sender address rejected: not owned by user u', 'stop_job', 'sender'),
  ('dot', '554 5.2.252 SendAsDenied; not allowed to send as', 'stop_job', 'sender'),
  ('dot', '554 Message rejected: Email address is not verified. The following identities failed the check', 'stop_job', 'sender'),
  ('rcpt', '550 5.7.1 Relaying denied', 'stop_job', 'relay_denied'),
  ('rcpt', '554 5.7.1 <ada@example.com>: Relay access denied', 'stop_job', 'relay_denied'),
  ('rcpt', '550 relay not permitted', 'stop_job', 'relay_denied'),
  ('mail', '552 5.3.4 Message size exceeds fixed limit', 'stop_job', 'content'),
  ('dot', '552 5.3.4 Message too big', 'stop_job', 'content'),
  ('dot', '550 5.2.3 Message length exceeds administrative limit', 'stop_job', 'content'),
  ('dot', '552 Message size exceeds maximum permitted', 'stop_job', 'content'),
  ('dot', '554 5.6.0 Message contains invalid header', 'stop_job', 'content'),
  ('mail', '555 5.5.4 Unsupported option', 'stop_job', 'protocol'),
  ('mail', '501 5.5.4 Syntax error in parameters', 'stop_job', 'protocol'),
  ('rcpt', '504 Command parameter not implemented', 'stop_job', 'protocol'),
  ('rcpt', '555 RCPT parameter not recognized', 'stop_job', 'protocol'),
  ('dot', '550 The from address does not match a verified Sender Identity', 'stop_job', 'sender'),
  ('dot', '554 Transaction failed: Sending suspended for this account.', 'stop_job', 'sender'),
  ('dot', '554 Access denied: User x is not authorized to perform ses:SendRawEmail', 'stop_job', 'auth'),
  ('mail', '550 5.4.5 Daily user sending quota exceeded', 'slow_down', 'quota'),
  ('rcpt', '553 sorry, that domain isn''t in my list of allowed rcpthosts (#5.7.1)', 'stop_job', 'relay_denied'),
  ('rcpt', '454 4.7.1 <ada@example.com>: Relay access denied', 'stop_job', 'relay_denied'),
  ('rcpt', '550 5.7.14 Please log in via your web browser', 'stop_job', 'auth'),
  ('rcpt', '530 5.7.0 Must issue a STARTTLS command first', 'stop_job', 'tls'),
  ('rcpt', '503 5.5.1 Need MAIL command', 'defer', 'client_bug');
select judged_as_said();
select is_empty($$ select id from campaign.smtp_rules where verdict = 'stop_job' and advice is null $$, 'each pause comes with advice');

select * from finish();
rollback;

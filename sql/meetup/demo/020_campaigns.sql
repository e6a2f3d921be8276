-- The relay and the templates of the demo. psql variables: smtp_host, smtp_port.
insert into campaign.email_integrations (name, config, rate_limit, is_default)
values (
  'demo',
  jsonb_build_object(
    'host', :'smtp_host'::text, 'port', :smtp_port, 'secure', false,
    'from_email', 'hello@meetups.example', 'from_name', 'OpenClaw Meetups'),
  20, true)
on conflict (name) do update
set config = excluded.config, rate_limit = excluded.rate_limit, is_default = excluded.is_default;

-- Without a text part of its own a mail gets one made of its HTML: the same words, the same link.
insert into campaign.email_templates (name, slug, subject, html, variables)
values
  ('Thanks for coming', 'thanks-for-coming', 'Thanks for coming, {{first_name}}!', $html$<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Thanks for coming</title></head>
<body style="margin:0;padding:24px;background:#f4f4f1;font:16px/1.5 Helvetica,Arial,sans-serif;color:#222">
<div style="max-width:520px;margin:0 auto;padding:32px;background:#fff;border-radius:8px">
<h1 style="margin:0 0 16px;font-size:22px">Hi {{first_name}}, thanks for coming!</h1>
<p>It was good to have you at the OpenClaw Meetup on Wednesday. A room is only as good as the people in it, and this one was full.</p>
<p>We would like the next one to be better. Which talk was worth your evening, and what should we change? Three questions, two minutes:</p>
<p style="margin:24px 0"><a href="https://tally.so/r/J964LY?name={{name}}&email={{email}}" style="display:inline-block;padding:12px 20px;background:#c2410c;color:#fff;text-decoration:none;border-radius:6px">Tell us how it was</a></p>
<p>See you at the next one,<br>the OpenClaw Meetups team</p>
</div>
<p style="max-width:520px;margin:16px auto 0;font-size:12px;color:#666">Sent to {{email}} because you came to the OpenClaw Meetup.
<a href="{{unsubscribe_url}}" style="color:#666">Send me no more mails</a></p>
</body>
</html>
$html$, '{}'),
  ('We missed you', 'we-missed-you', 'We missed you, {{first_name}}', $html$<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>We missed you</title></head>
<body style="margin:0;padding:24px;background:#f4f4f1;font:16px/1.5 Helvetica,Arial,sans-serif;color:#222">
<div style="max-width:520px;margin:0 auto;padding:32px;background:#fff;border-radius:8px">
<h1 style="margin:0 0 16px;font-size:22px">Hi {{first_name}}, we missed you</h1>
<p>You had a place at the OpenClaw Meetup on Wednesday, and it stayed empty. Things happen, no hard feelings.</p>
<p>Was it the day, the hour, the place? Tell us, and we will try to pick a better one. If you still want to come, say so there, and you will hear of the next date first:</p>
<p style="margin:24px 0"><a href="https://tally.so/r/J964LY?name={{name}}&email={{email}}" style="display:inline-block;padding:12px 20px;background:#c2410c;color:#fff;text-decoration:none;border-radius:6px">Tell us what got in the way</a></p>
<p>One request: when you cannot come, give your place back. Thirty-three people were waiting for one.</p>
<p>Until next time,<br>the OpenClaw Meetups team</p>
</div>
<p style="max-width:520px;margin:16px auto 0;font-size:12px;color:#666">Sent to {{email}} because you were registered for the OpenClaw Meetup.
<a href="{{unsubscribe_url}}" style="color:#666">Send me no more mails</a></p>
</body>
</html>
$html$, '{}'),
  ('You are on the waitlist', 'you-are-on-the-waitlist', '{{first_name}}, about your place on the waitlist', $html$<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>You are on the waitlist</title></head>
<body style="margin:0;padding:24px;background:#f4f4f1;font:16px/1.5 Helvetica,Arial,sans-serif;color:#222">
<div style="max-width:520px;margin:0 auto;padding:32px;background:#fff;border-radius:8px">
<h1 style="margin:0 0 16px;font-size:22px">Hi {{first_name}}, sorry it did not work out this time</h1>
<p>The OpenClaw Meetup was full, and no place came free for you. We know that is a poor answer to somebody who wanted to come.</p>
<p>You stay on our waitlist, and who waited this time is asked first for the next one. Tell us which days suit you:</p>
<p style="margin:24px 0"><a href="https://tally.so/r/J964LY?name={{name}}&email={{email}}" style="display:inline-block;padding:12px 20px;background:#c2410c;color:#fff;text-decoration:none;border-radius:6px">Tell us which days suit you</a></p>
<p>Thank you for your patience,<br>the OpenClaw Meetups team</p>
</div>
<p style="max-width:520px;margin:16px auto 0;font-size:12px;color:#666">Sent to {{email}} because you are on the waitlist of the OpenClaw Meetup.
<a href="{{unsubscribe_url}}" style="color:#666">Send me no more mails</a></p>
</body>
</html>
$html$, '{}')
on conflict (slug) do update
set name = excluded.name, subject = excluded.subject, html = excluded.html, text = excluded.text, variables = excluded.variables;

begin;
\ir ../_fixtures.sql
select plan(2);

select job_no from campaign.start_campaign('guests', 'thanks') \gset
update campaign.email_templates set subject = 'Changed', html = '<p>changed</p>' where slug = 'thanks';
select is(campaign.job_spec(:job_no) #> '{message,template}',
  '{"version": 1, "subject": "Thanks, {{first_name}}!", "html": "<p>Hi {{name}}</p>", "text": null, "variables": []}',
  'an edit in mid-campaign changes nothing of what it sends');
select job_no as next_no from campaign.start_campaign('guests', 'thanks', allow_repeat => true) \gset
select is(campaign.job_spec(:next_no) #>> '{message,template,html}', '<p>changed</p>', 'the next campaign sends the new version');

select * from finish();
rollback;

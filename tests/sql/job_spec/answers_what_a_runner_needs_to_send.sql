begin;
\ir ../_protocol.sql
select plan(4);

select start_job(1, '{"rate_limit": 7, "concurrency": 4, "max_retries": 5}') as job \gset
update campaign.email_templates set html = '<p>Changed</p>';
select is(campaign.job_spec(:job) - 'id' - 'integration_id', format('{"job_no": %s, "concurrency": 4, "max_retries": 5, "window": 6, "links": null, "message": {"from_email": "hello@meetups.example",
  "from_name": "Meetups", "reply_to": null, "headers": {}, "segment": "custom", "public_url": null, "template": {"version": 1, "subject": "Hi {{first_name}}", "html": "<p>Hi {{name}}</p>", "text": null, "variables": []}}}', :job)::jsonb,
  'the template as it was at the start; window = 4 + 0.25 s × 7, rounded up');
update campaign.email_integrations set rate_limit = 3;
select is(campaign.job_spec(:job) -> 'window', '5', 'the smaller rate counts');
select start_job(1) as free \gset
update campaign.email_integrations set rate_limit = null;
select is(campaign.job_spec(:free) -> 'window', '253', 'without a rate half a chunk beside its connections');
select is(campaign.job_spec(4711), null, 'no such job');

select * from finish();
rollback;

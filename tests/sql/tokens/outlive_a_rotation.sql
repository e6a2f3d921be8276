begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(14);

select is((select count(*) from campaign.signing_key), 0::bigint, 'there is no key before a campaign needs one');
select start_tracked() as old \gset
select start_tracked() as same \gset
select results_eq('select key_id, octet_length(secret), retired_at from campaign.signing_key', 'values (1, 32, null::timestamptz)', 'the first makes one, the second takes it');
select is(campaign.rotate_signing_key(), 2, 'rotating makes another');
select start_tracked() as new \gset
select results_eq('select signing_key_id from campaign.email_jobs order by job_no', 'values (1), (1), (2)', 'campaigns keep theirs, new ones take the new one');
select is((select count(distinct secret) from campaign.signing_key), 2::bigint, 'which is another indeed');
select is(campaign.record_open(token('open', :old, 1)), true, 'links that are out keep working');
select is(campaign.record_open(token('open', :new, 1)), true, 'new ones work');
select is(campaign.record_open((select signed(claim_of(1, 2, :old, 1), secret) from campaign.signing_key where key_id = 1)), false, 'a key signs in its own name only');
select is(campaign.record_open((select signed(claim_of(1, 2, :old, 1), secret) from campaign.signing_key where key_id = 2)), false, 'and for its own campaigns only');

select campaign.cancel_campaign(id) from campaign.email_jobs where signing_key_id = 1;
create role ana in role campaign_admin;
set local role ana;
update campaign.signing_key set retired_at = campaign.now() where key_id = 1;
reset role;
select results_eq(format('select campaign.record_open(%L), campaign.record_unsubscribe(%L), campaign.unsubscribe_state(%L), campaign.record_click(%L)',
  token('open', :old, 1), token('unsubscribe', :old, 1), token('unsubscribe', :old, 1), token('click', :old, 1, 1)),
  'values (false, false, null::text, null::text)', 'links of a key that was retired do nothing');
select is(campaign.record_open(token('open', :new, 1)), true, 'others work');
select is(events(:old), '1 open scanner', 'what was recorded stays');
select campaign.cancel_campaign(id) from campaign.email_jobs where signing_key_id = 2;
update campaign.signing_key set retired_at = campaign.now();
select start_tracked() as next \gset
select is((select signing_key_id from campaign.email_jobs where job_no = :next), 3, 'without a key that may sign, a campaign makes one');
select is(campaign.record_open(token('open', :next, 3)), true, 'which works');

select * from finish();
rollback;

-- "Lock first, read facts in a later statement" needs a fresh snapshot for each statement.
begin isolation level repeatable read;
select plan(9);

select throws_ok(format('select campaign.%s', call), 'CP022', 'isolation level repeatable read is not supported here', call)
from unnest(array[
  $$report(gen_random_uuid(), '[]')$$, $$release(gen_random_uuid(), '[]')$$, $$claim_chunks(gen_random_uuid(), 1, '[]')$$,
  'recover_stale()', 'tick()', 'unregister_runner(gen_random_uuid())', $$register_runner(gen_random_uuid(), 'host', 1, '0.1.0', 1)$$,
  'cancel_campaign(gen_random_uuid())', 'pause_campaign(gen_random_uuid())']) as call;

select * from finish();
rollback;

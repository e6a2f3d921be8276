begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(6);

select start_tracked() as job \gset
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 1)), 'subscribed', 'before');
select campaign.record_unsubscribe(token('unsubscribe', :job, 1));
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 1)), 'unsubscribed', 'after');
insert into campaign.suppressions (email, reason) values ('GRACE@example.com', 'complaint');
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 2)), 'unsubscribed', 'whoever complained');
update campaign.suppressions set reason = 'manual' where email = 'grace@example.com';
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 2)), 'subscribed', 'who is suppressed by somebody else may still say no');
update campaign.suppressions set reason = 'bounce' where email = 'grace@example.com';
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 2)), 'subscribed', 'so may whose mail came back');
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 3)), 'subscribed', 'nobody else');

select * from finish();
rollback;

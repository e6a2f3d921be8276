begin;
\ir ../_fixtures.sql
\ir ../_tokens.sql
select plan(4);

select start_tracked() as job \gset
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 1)), 'subscribed', 'before');
select campaign.record_unsubscribe(token('unsubscribe', :job, 1));
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 1)), 'unsubscribed', 'after');
insert into campaign.suppressions (email) values ('GRACE@example.com');
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 2)), 'unsubscribed', 'whoever is suppressed for another reason');
select is(campaign.unsubscribe_state(token('unsubscribe', :job, 3)), 'subscribed', 'nobody else');

select * from finish();
rollback;

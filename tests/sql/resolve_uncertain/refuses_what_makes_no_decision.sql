begin;
\ir ../_fixtures.sql
select plan(5);

select id as job from campaign.start_campaign('guests', 'thanks') \gset
select refused(format('select campaign.resolve_uncertain(%L, ''maybe'')', :'job'), 'CP008', '{maybe,sent,resend}', 'a decision that there is not');
select refused(format('select campaign.resolve_uncertain(%L, null)', :'job'), 'CP008', '{NULL}', 'no decision');
select refused($$ select campaign.resolve_uncertain('00000000-0000-4000-8000-00000000000f', 'sent') $$, 'CP001', '{00000000-0000-4000-8000-00000000000f}', 'an unknown campaign');
select refused($$ select campaign.resolve_uncertain(null, 'sent') $$, 'CP001', '{null}', 'no campaign');
select is((select status from campaign.resolve_uncertain(:'job', 'resend')), 'pending', 'where nobody is uncertain nothing happens');

select * from finish();
rollback;

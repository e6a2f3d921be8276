begin;
\ir ../_fixtures.sql
select plan(3);

create temporary table started as select * from campaign.start_campaign('guests', 'thanks', subject => '{{name}}, see you');
select is((select campaign.job_spec(job_no) #>> '{message,template,subject}' from started), '{{name}}, see you', 'runners send it');
select refused($$ select campaign.start_campaign('guests', 'thanks', subject => 'Hi {{nmae}}') $$, 'CP009', '{subject,nmae,"line 1, column 6","Did you mean `name`?"}', 'an unknown variable in it is refused');
select refused($$ select campaign.start_campaign('guests', 'thanks', subject => 'Hi {{name') $$, 'CP009', '{subject,line 1}', 'a syntax error in it is refused');

select * from finish();
rollback;

begin;
\ir ../_refused.sql
select plan(21);

select refused(format('insert into campaign.smtp_rules (%s) values (%s)', columns, row_values), 'CP008', says, what)
from (values
  ('code, verdict, class', '''55['', ''fail'', ''x''', '{code}'::text[], 'a code that is no pattern'),
  ('code, verdict, class', '''550)|(?:.*'', ''fail'', ''x''', '{code}', 'a pattern that would leave its place'),
  ('enhanced, verdict, class', '''(5'', ''fail'', ''x''', '{enhanced}', 'an enhanced code that is no pattern'),
  ('reply, verdict, class', '''*'', ''fail'', ''x''', '{reply}', 'a text that is no pattern'),
  ('reply, verdict, class', '''\w{10000}'', ''fail'', ''x''', '{reply,too big}', 'a pattern that would take all memory'),
  ('reply, verdict, class', 'repeat(''x'', 1001), ''fail'', ''x''', '{1000}', 'a pattern as long as a book'),
  ('reply, verdict, class', ''''', ''fail'', ''x''', '{empty}', 'a pattern that fits everything by mistake'),
  ('phase, verdict, class', '''lunch'', ''fail'', ''x''', '{phase}', 'an unknown phase'),
  ('phase, verdict, class', '''connect'', ''defer'', ''x''', '{phase,no reply}', 'a phase without replies'),
  ('phase, verdict, class', '''auth'', ''fail'', ''x''', '{auth}', 'a recipient who fails before MAIL'),
  ('verdict, class', '''sent'', ''x''', '{fact}', 'an acceptance'),
  ('verdict, class', '''uncertain'', ''x''', '{fact}', 'a doubt'),
  ('verdict, class', '''perhaps'', ''x''', '{verdict}', 'an unknown verdict'),
  ('verdict, class', 'null, ''x''', '{verdict}', 'no verdict'),
  ('verdict, class', '''fail'', ''Two words''', '{class}', 'a class of two words'),
  ('verdict, class, wait', '''fail'', ''x'', ''1 hour''', '{fail}', 'a wait for nothing'),
  ('verdict, class, wait', '''defer'', ''x'', ''8 days''', '{7 days}', 'a wait for ever'),
  ('verdict, class, tries', '''defer'', ''x'', 0', '{tries}', 'no try at all'),
  ('verdict, class, suppress', '''fail'', ''policy'', true', '{suppress,bad_address}', 'a suppression of an address that is not bad'),
  ('verdict, class, suppress', '''defer'', ''bad_address'', true', '{suppress}', 'a suppression of who has not failed')) as r (columns, row_values, says, what);
insert into campaign.smtp_rules (verdict, class) values ('fail', 'x');
select refused('update campaign.smtp_rules set reply = ''*'' where class = ''x''', 'CP008', '{reply}', 'a change as well');

select * from finish();
rollback;

begin;
\ir ../_fixtures.sql
select plan(4);

create function saved(p_html text) returns void language sql as $$
  insert into campaign.email_templates (name, slug, subject, html) values ('x', 'x', 'x', p_html)
$$;
select refused($$ select saved(E'<p>\n<img src="cid:logo">') $$, 'CP009', '{cid:,line 2,column 11,https}', 'an inline image, with its place and what to do');
select refused($$ select saved('<td background="DATA:image/png;base64,AAAA">') $$, 'CP009', '{data:,background}', 'an image that is written out');
select refused($$ select saved('<!--[if mso]><v:image src="cid:logo"/><![endif]-->') $$, 'CP009', '{cid:}', 'also one for Outlook');
select lives_ok($$ select saved('<img src="https://example.org/logo.png"><a href="data:,x">x</a>') $$, 'an image on a web server is an image');

select * from finish();
rollback;

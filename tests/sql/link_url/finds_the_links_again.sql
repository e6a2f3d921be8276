begin;
select plan(11);

create function link(p_html text, p_link integer, p_vars jsonb default '{}') returns text language sql as $$
  select campaign._link_url(p_html, '{x,items}', 'a+b%c@example.com', 'https://mail.example.com/unsubscribe', p_vars, 'https://mail.example.com', p_link)
$$;
select is(link('<a href="https://a.example/1">', 1), 'https://a.example/1', 'the first');
select is(link('<a href="mailto:a@b.example"><a href="{{unsubscribe_url}}"><a href="#x"><a href="https://a.example/2">', 1), 'https://a.example/2', 'only those that lead through us count');
select is(link('{% for i in [1, 2, 3] %}<a href="https://a.example/{{i}}?q={{email}}&amp;r={{x}}">{% endfor %}', 3, '{"x": "&\"<é🎉"}'),
  'https://a.example/3?q=a%2Bb%25c%40example.com&r=%26%22%3C%C3%A9%F0%9F%8E%89', 'as a browser reads it, with the values of the recipient');
select is(link('<a href="{{x}}">', 1, '{"x": " HTTPS://Bücher.example/ä b\r\nSet-Cookie: c "}'), 'https://xn--bcher-kva.example/%C3%A4%20bSet-Cookie:%20c', 'in one line of ASCII');
select is(link('<a href="{{x}}">', 1, '{"x": "javascript:alert(1)"}'), null, 'no other scheme');
select is(link('<a href="https://">', 1), null, 'no link that leads nowhere');
select is(link('<a href="https://a.example">', 2), null, 'no link behind the last');
select is(link('<a href="https://a.example">', 0), null, 'nor before the first');
select is(link('<a href="https://a.example">', -1), null, 'nor before that');
select is(campaign._link_count('<a href="https://a.example">{{x}}<area href="http://b.example"><a href="ftp://c.example">', '{x}', 'a@b.example', null, '{"x": 1}', 'https://mail.example.com'),
  2, 'they can be counted');
select throws_ok($$ select link('{{x}}', 1) $$, '22023', null, 'a message that was never sent has none');

select * from finish();
rollback;

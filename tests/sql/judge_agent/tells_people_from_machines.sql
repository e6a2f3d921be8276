begin;
select plan(1);

select results_eq(
  $$ select a.n, j.* from (values
       (1, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0'),
       (2, 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)'),
       (3, 'YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html'),
       (4, 'Mozilla/5.0'),
       (5, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0'),
       (6, 'curl/8.5.0'),
       (7, ''),
       (8, null)) a (n, user_agent), campaign._judge_agent(a.user_agent) j order by a.n $$,
  $$ values (1, 'Firefox', 'human'), (2, 'GoogleImageProxy', 'google_proxy'), (3, 'YahooMailProxy', 'yahoo_proxy'), (4, 'Apple Mail', 'apple_mpp'),
       (5, 'Gmail', 'google_prefetch'), (6, 'HTTP Library', 'scanner'), (7, 'unknown', 'scanner'), (8, 'unknown', 'scanner') $$,
  'people, their mail providers, and machines');

select * from finish();
rollback;

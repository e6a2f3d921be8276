create function campaign._find_segment(p_segment text)
returns campaign.segments
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  v_segment campaign.segments;
begin
  select s.* into v_segment from campaign.segments s where s.name = p_segment;
  if not found then
    raise exception using
      errcode = 'CP003',
      message = format('there is no segment %L', p_segment),
      detail = 'A segment is an audience by name: a row of campaign.segments.',
      hint = coalesce(
        (select 'Segments: ' || string_agg(s.name, ', ' order by s.name) || '.' from campaign.segments s),
        'There is none yet: insert into campaign.segments (name, query) values (…), or use segment => ''custom'' with audience_query.');
  end if;
  return v_segment;
end
$$;

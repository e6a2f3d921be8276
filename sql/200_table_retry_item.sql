create table campaign.retry_item (
  job_no bigint not null,
  pos bigint not null,
  due timestamptz not null,
  chunk_no bigint,
  primary key (job_no, pos)
);

create index retry_item_waiting on campaign.retry_item (job_no, due) where chunk_no is null;

comment on table campaign.retry_item is 'Recipients to be tried again. chunk_no: the retry chunk that carries it; null: waits until due. Deleted with the outcome.';

create view campaign.api_tokens as
select t.id, t.name, t.role, t.created_by, t.created_at, t.revoked_at
from campaign.api_token t;

comment on view campaign.api_tokens is
'Who may use the API, and as what. create_api_token adds one, revoke_api_token ends it; no token can be seen again.';
comment on column campaign.api_tokens.name is 'Who it is for: what it does is recorded under this name.';
comment on column campaign.api_tokens.role is 'reader (sees campaigns), operator (starts, pauses, cancels them) or admin (templates and suppressions, too).';
comment on column campaign.api_tokens.revoked_at is 'Since when it is refused; null: it is not.';

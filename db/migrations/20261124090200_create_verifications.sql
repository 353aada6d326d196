-- migrate:up

set local role wallet_owner;

create table wallet.verifications (
    wallet_id uuid not null,
    verified_at timestamptz not null,
    findings jsonb not null,
    constraint verifications_pkey primary key (wallet_id),
    constraint verifications_findings_are_array check (jsonb_typeof(findings) = 'array')
);

comment on table wallet.verifications is 'When each wallet was last verified, and what was found.';
comment on column wallet.verifications.findings is 'The first rows of wallet.verify_wallet: [] when sound.';

create index verifications_broken_idx on wallet.verifications (verified_at, wallet_id) where findings <> '[]';

-- Newest first, for list_rejections.
create index rejections_wallet_id_created_at_idx on wallet.rejections (wallet_id, created_at, id);

reset role;

-- migrate:down

drop index wallet.rejections_wallet_id_created_at_idx;
drop table wallet.verifications;

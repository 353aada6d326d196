-- The rows of list_audit.
create or replace view wallet.audit_details as
select
    a.id,
    a.at,
    a.admin,
    a.address,
    a.action,
    a.wallet_id,
    a.outcome,
    a.detail,
    w.currency
from wallet.audit as a
left join wallet.wallets as w on a.wallet_id = w.id;

comment on view wallet.audit_details is 'What admins did, each with the currency of its wallet.';

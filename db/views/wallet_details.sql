create or replace view wallet.wallet_details as
select
    w.id,
    w.name,
    w.currency,
    w.status,
    w.balance,
    w.last_seq,
    w.created_at,
    w.updated_at,
    w.balance - w.held as available
from wallet.wallets as w;

comment on view wallet.wallet_details is 'Wallets; amounts in minor units. available is what can be withdrawn.';

grant select on wallet.wallet_details to wallet_reader;

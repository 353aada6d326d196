create or replace view wallet.admin_details as
select
    a.id,
    a.username,
    a.created_at,
    a.password_changed_at
from wallet.admins as a;

comment on view wallet.admin_details is 'Who may act in the admin page, without the password hashes.';

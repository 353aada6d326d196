-- migrate:up

set local role wallet_owner;

create table wallet.currencies (
    code text not null,
    decimals smallint not null,
    constraint currencies_pkey primary key (code),
    constraint currencies_code_form check (code ~ '^[A-Z]{3}$'),
    constraint currencies_decimals_range check (decimals between 0 and 4)
);

comment on table wallet.currencies is
'ISO 4217 as of 2026: what a wallet may be denominated in. Add to it in a migration.';
comment on column wallet.currencies.decimals is 'How many decimals the minor unit is away from the major one.';

-- The standard's codes for metals, funds, tests and units of account are left out: nobody pays with them.
insert into wallet.currencies (code, decimals)
select
    c.code,
    v.decimals
from (
    values
    (0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF'),
    (2, 'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY'),
    (2, 'COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF'),
    (2, 'IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR'),
    (2, 'MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG'),
    (2, 'SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES'),
    (2, 'WST XCD XCG YER ZAR ZMW ZWG'),
    (3, 'BHD IQD JOD KWD LYD OMR TND')
) as v (decimals, codes)
cross join lateral string_to_table(v.codes, ' ') as c (code);

reset role;

-- migrate:down

drop table wallet.currencies;

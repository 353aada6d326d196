"""wallet.get_deployment: what was deployed, and whether it is intact."""

from ledger import Database

from service import deploy

ALTERATIONS = (
    "alter function wallet.get_balance(uuid) volatile",
    "alter function wallet.get_balance(uuid) security invoker",
    "alter function wallet.get_balance(uuid) reset search_path",
    "drop function wallet.get_wallet(uuid)",
    "create function wallet.get_balance(text) returns bigint language sql return 0",
    "create or replace function wallet._check_limit(p_limit integer) returns void language sql as 'select'",
)


async def test_the_last_deployment_is_returned(own: Database) -> None:
    stored = await own.owner.fetchrow("select * from wallet.deployments")
    login = await own.owner.fetchval("select session_user")
    await own.owner.execute(
        "insert into wallet.deployments (deployed_at, source_digest, functions_digest)"
        " values ('2001-01-01', 'an earlier source', 'its functions')"
    )
    deployment = await own.row("get_deployment")
    assert (deployment["source_digest"], deployment["is_intact"]) == (deploy.source_digest(), True)
    assert (deployment["deployed_at"], deployment["deployed_by"]) == (stored["deployed_at"], login)
    await own.owner.execute("delete from wallet.deployments")
    assert await own.rows("get_deployment") == []


async def test_an_altered_function_is_not_intact(database: Database) -> None:
    for alteration in ALTERATIONS:
        transaction = database.owner.transaction()
        await transaction.start()
        await database.owner.execute(alteration)
        assert await database.owner.fetchval("select is_intact from wallet.get_deployment()") is False, alteration
        await transaction.rollback()
    assert await database.owner.fetchval("select is_intact from wallet.get_deployment()")

"""What Alembic runs: the migrations, on the connection (and in the transaction) that it was given."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table=context.config.attributes.get("version_table", "alembic_version"),
    transactional_ddl=True,  # on SQLite too: the connection begins its transactions itself
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()

"""Open processes of each member, and what it has sent: for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _accounts()
    _negotiations()
    _transfers()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _negotiations() -> None:
    op.add_column("negotiations", sa.Column("open_for", TEXT, nullable=True))
    op.create_index("ix_negotiations_open_for", "negotiations", ["open_for", "id"], unique=False)
    op.execute(
        "UPDATE negotiations SET open_for = counterparty "
        "WHERE initial IS NOT NULL AND state NOT IN ('FINALIZED', 'TERMINATED')"
    )


def _transfers() -> None:
    op.add_column("transfers", sa.Column("open_for", TEXT, nullable=True))
    op.create_index("ix_transfers_open_for", "transfers", ["open_for", "id"], unique=False)
    op.execute(
        "UPDATE transfers SET open_for = counterparty "
        "WHERE role = 'provider' AND state NOT IN ('COMPLETED', 'TERMINATED')"
    )

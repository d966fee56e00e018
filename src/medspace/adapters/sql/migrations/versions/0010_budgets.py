"""Budgets."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _budget_accounts()
    _budget_agreements()
    _budget_debits()


def _budget_accounts() -> None:
    op.create_table(
        "budget_accounts",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _budget_agreements() -> None:
    op.create_table(
        "budget_agreements",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def _budget_debits() -> None:
    op.create_table(
        "budget_debits",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_budget_debits_asset", "budget_debits", ["asset", "id"], unique=False)
    op.create_index("ix_budget_debits_state", "budget_debits", ["state", "id"], unique=False)
    op.create_index("ix_budget_debits_time", "budget_debits", ["time", "id"], unique=False)

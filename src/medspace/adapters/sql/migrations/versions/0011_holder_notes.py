"""Notes for the holder alone, and totals of privacy budgets whose period is over."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INTEGER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the change."""
    _budget_periods()
    _holder_notes()


def _budget_periods() -> None:
    op.create_table(
        "budget_periods",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("since", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_budget_periods_asset", "budget_periods", ["asset", "id"], unique=False)
    op.create_index("ix_budget_periods_since", "budget_periods", ["since", "id"], unique=False)


def _holder_notes() -> None:
    op.create_table(
        "holder_notes",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_holder_notes_asset", "holder_notes", ["asset", "id"], unique=False)
    op.create_index("ix_holder_notes_time", "holder_notes", ["time", "id"], unique=False)

"""Agreements that their holder has ended."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "ended_agreements",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("asset", TEXT, nullable=False),
        sa.Column("user", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for key in ("asset", "user", "time"):
        op.create_index(f"ix_ended_agreements_{key}", "ended_agreements", [key, "id"], unique=False)

"""What holders keep of masked rounds, to show an auditor."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the change."""
    op.create_table(
        "kept_records",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("run", TEXT, nullable=False),
        sa.Column("time", TEXT, nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_kept_records_run", "kept_records", ["run", "id"], unique=False)
    op.create_index("ix_kept_records_time", "kept_records", ["time", "id"], unique=False)
